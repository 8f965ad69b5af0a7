package lazytx

import (
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
)

// allowed refuses transaction control, and query modes that would take the simple protocol. It is a guard rail that
// gives a clear message; what slips by (what a QueryRewriter writes) is caught before the next statement, by the
// server's word on whether a transaction is open, and by the tag that the listener's seal checks.
func allowed(sql string, args []any) error {
	switch word, rest := firstWord(sql); word {
	// These end, begin or divide a transaction (the Postgres manual's SQL Commands).
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		return ErrControl
	case "prepare":
		if second, _ := firstWord(rest); second == "transaction" {
			return ErrControl
		}
	}
	for _, arg := range args {
		if arg == pgx.QueryExecModeSimpleProtocol {
			return ErrControl
		}
	}
	return nil
}

// firstWord skips white space and comments (Postgres nests the latter) and returns the first keyword, lowercased.
func firstWord(sql string) (word, rest string) {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v;(")
		switch {
		case strings.HasPrefix(sql, "--"):
			end := strings.IndexAny(sql, "\n\r")
			if end < 0 {
				return "", ""
			}
			sql = sql[end:]
		case strings.HasPrefix(sql, "/*"):
			sql = afterComment(sql)
		default:
			end := strings.IndexFunc(sql, func(r rune) bool { return !unicode.IsLetter(r) })
			if end < 0 {
				end = len(sql)
			}
			return strings.ToLower(sql[:end]), sql[end:]
		}
	}
}

func afterComment(sql string) string {
	depth := 0
	for i := 0; i+1 < len(sql); i++ {
		switch sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return sql[i+1:]
			}
		}
	}
	return ""
}
