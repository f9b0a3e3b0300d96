package site

import (
	"cmp"
	"slices"
	"strings"
)

// choose picks what the client likes best of a file, the smaller of equals
// (RFC 9110, 12.5.3). The file itself is the last resort: it is acceptable where
// it is not named, and all that is left where nothing is.
func choose(f file, accept []string) int {
	best, bestQ := slices.IndexFunc(f, func(r *representation) bool { return r.encoding == "" }), 0
	for i, r := range f {
		if q := quality(accept, cmp.Or(r.encoding, "identity")); q > bestQ {
			best, bestQ = i, q
		}
	}
	return best
}

// quality is the weight in thousandths that the client gives a coding, by its
// name or else by "*"; 0 where it gives none.
func quality(accept []string, coding string) int {
	q := 0
	for _, line := range accept {
		for line != "" {
			var item string
			item, line, _ = strings.Cut(line, ",")
			name, weight, _ := strings.Cut(item, ";")
			name = strings.Trim(name, " \t")
			switch {
			case strings.EqualFold(name, coding), coding == "gzip" && strings.EqualFold(name, "x-gzip"):
				return thousandths(weight)
			case name == "*":
				q = thousandths(weight)
			}
		}
	}
	return q
}

// thousandths reads "q=0.5": at most three decimals, at most 1. Without a
// weight it is 1000; one that is not understood counts as a refusal.
func thousandths(weight string) int {
	weight = strings.Trim(weight, " \t")
	if weight == "" {
		return 1000
	}
	digits := strings.TrimPrefix(strings.ToLower(weight), "q=")
	if len(digits) == len(weight) || len(digits) > len("0.123") {
		return 0
	}
	whole, decimals, _ := strings.Cut(digits, ".")
	if whole != "0" && whole != "1" {
		return 0
	}
	q := int(whole[0] - '0')
	for i := range 3 {
		d := byte('0')
		if i < len(decimals) {
			d = decimals[i]
		}
		if d < '0' || d > '9' {
			return 0
		}
		q = 10*q + int(d-'0')
	}
	if q > 1000 {
		return 0
	}
	return q
}
