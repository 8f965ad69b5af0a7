package rowtext

import "time"

// parseTime reads a timestamptz as the stream has it, 2006-01-02 15:04:05[.999999]+00. Nearly every row has two, and
// time.Parse takes a tenth of all that a hook's call costs; what is out of this form (other zones, years beyond 9999)
// goes to it all the same.
func parseTime(text []byte) (time.Time, error) {
	const layout = "2006-01-02 15:04:05"
	n := len(text)
	if n < len(layout)+3 || string(text[n-3:]) != "+00" || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' || text[16] != ':' {
		return slowTime(text)
	}
	var fields [6]int
	for i, at := range [6][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		value, ok := digits(text[at[0]:at[1]])
		if !ok {
			return slowTime(text)
		}
		fields[i] = value
	}
	nanos := 0
	if fraction := text[len(layout) : n-3]; len(fraction) > 0 {
		value, ok := digits(fraction[1:])
		if !ok || fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
			return slowTime(text)
		}
		for range 10 - len(fraction) {
			value *= 10
		}
		nanos = value
	}
	return time.Date(fields[0], time.Month(fields[1]), fields[2], fields[3], fields[4], fields[5], nanos, time.UTC), nil
}

func slowTime(text []byte) (time.Time, error) {
	t, err := time.Parse("2006-01-02 15:04:05.999999999Z07", string(text))
	return t.UTC(), err
}

func digits(text []byte) (int, bool) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}
