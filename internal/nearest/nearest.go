// Package nearest finds what someone meant who mistyped a name.
package nearest

import (
	"fmt"
	"strings"
)

// Hint is `: did you mean "x"?` for the name that is most like the given one, or what there is, where none is like it and
// there are few. It is empty if neither helps.
func Hint(given string, names []string) string {
	best, least := "", max(2, len(given)/3)+1
	for _, name := range names {
		if d := distance(strings.ToLower(given), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf(": did you mean %q?", best)
	case len(names) > 0 && len(names) <= 12:
		return ": there are " + strings.Join(names, ", ")
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between two words (optimal string
// alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
