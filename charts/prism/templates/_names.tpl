{{- define "prism.name" -}}
{{- if eq .Release.Name "prism" -}}prism-operator{{- else -}}{{ printf "%s-prism-operator" (trunc 40 .Release.Name | trimSuffix "-") }}{{- end -}}
{{- end -}}

{{- define "prism.account" -}}
{{ .Values.serviceAccount.name | default (include "prism.name" .) }}
{{- end -}}

{{/* Never changed: a Deployment keeps its selector for life. The first is what network policies of clusters admit. */}}
{{- define "prism.selector" -}}
app.kubernetes.io/name: prism-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "prism.labels" -}}
{{ include "prism.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: prism
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "prism.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Restricted, as Pod Security Standards mean it. */}}
{{- define "prism.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "prism.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Without these a namespace with a protected object in it would be Terminating for ever. */}}
{{- define "prism.notOfTheControllers" -}}
- name: not-of-the-namespace-controller
  expression: request.userInfo.username != 'system:serviceaccount:kube-system:namespace-controller'
- name: not-of-the-garbage-collector
  expression: request.userInfo.username != 'system:serviceaccount:kube-system:generic-garbage-collector'
{{- end -}}
