/**
 * Dates as milliseconds since 1970-01-01T00:00:00Z, out of ISO 8601 text. Own arithmetic, since Date
 * takes text without an offset as local time and lets the 30th of February pass.
 */

/** Of ECMAScript dates: 100 million days to either side of 1970. */
export const LARGEST_DATE_MS = 8.64e15;

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2}))?)?$/;

const DAY_MS = 86_400_000;

/**
 * `2024-05-17`, `2024-05-17T08:30`, `2024-05-17T08:30:15.250Z`, `2024-05-17T08:30:15+02:00`. Without an
 * offset the time is UTC; digits below the millisecond are cut.
 *
 * @returns milliseconds since 1970, undefined when the text is no such date.
 */
export function parseDate(text: string): number | undefined {
  // The longest form has 35 characters; the bound keeps a hostile value out of the pattern.
  const match = text.length <= 40 ? DATE.exec(text) : null;
  if (match === null) return undefined;
  const part = (i: number): number => Number(match[i] ?? "0");
  const [year, month, day] = [part(1), part(2), part(3)];
  const [hour, minute, second] = [part(4), part(5), part(6)];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || part(10) > 23 || part(11) > 59) return undefined;
  const millisecond = Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const offsetMinutes = (match[9] === "-" ? -1 : 1) * (part(10) * 60 + part(11));
  const minutes = hour * 60 + minute - offsetMinutes;
  return daysSinceEpoch(year, month, day) * DAY_MS + minutes * 60_000 + second * 1000 + millisecond;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Proleptic Gregorian calendar; H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
