package main

import (
	"github.com/coredns/coredns/coremain"

	// Only what a cluster's DNS needs: the full list of plugins links several clouds' client libraries.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
)

func runDNS([]string) int {
	coremain.Run()
	return 0
}
