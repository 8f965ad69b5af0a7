package listener

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseSnapshot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]snapshot{
		"10:10:":                       {xmax: 10},
		"10:20:10,14,15":               {xmax: 20, running: []uint64{10, 14, 15}},
		"4294967290:4294967300:429496": {xmax: 4294967300, running: []uint64{429496}},
		"1:18446744073709551615:":      {xmax: math.MaxUint64},
	} {
		got, err := parseSnapshot(text)
		if err != nil || got.xmax != want.xmax || !slices.Equal(got.running, want.running) {
			t.Errorf("%q is %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "10:20", "10:20:1:2", "10:x:", "10::", "10:-1:", "10:20:1,x", "10:18446744073709551616:"} {
		if got, err := parseSnapshot(text); err == nil || !strings.Contains(err.Error(), `"`+text+`"`) {
			t.Errorf("%q is %+v, %v, want an error that quotes it", text, got, err)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	const era = 1 << 32
	for name, c := range map[string]struct {
		xmax    uint64
		running []uint64
		xid     uint32
		want    bool
	}{
		"just below xmax":                   {100, nil, 99, true},
		"equal to xmax":                     {100, nil, 100, false},
		"just above xmax":                   {100, nil, 101, false},
		"far above xmax":                    {100, nil, 100 + 1<<30, false},
		"running":                           {100, []uint64{90, 95}, 95, false},
		"between running ones":              {100, []uint64{90, 95}, 94, true},
		"below all running ones":            {100, []uint64{90, 95}, 3, true},
		"second era, below":                 {era + 100, nil, 99, true},
		"second era, equal":                 {era + 100, nil, 100, false},
		"second era, above":                 {era + 100, nil, 101, false},
		"of the era before":                 {era + 100, nil, math.MaxUint32, true},
		"of the era before, running":        {era + 100, []uint64{math.MaxUint32}, math.MaxUint32, false},
		"running, but of another era":       {5*era + 100, []uint64{95, era + 95}, 95, true},
		"running, of this era":              {5*era + 100, []uint64{95, 5*era + 95}, 95, false},
		"xmax begins an era":                {era, nil, math.MaxUint32, true},
		"xmax begins an era, equal":         {era, nil, 0, false},
		"xmax begins an era, above":         {era, nil, 3, false},
		"xmax ends an era":                  {2*era - 1, nil, math.MaxUint32 - 1, true},
		"xmax ends an era, equal":           {2*era - 1, nil, math.MaxUint32, false},
		"xmax ends an era, above":           {2*era - 1, nil, 3, false},
		"as far below as can be told":       {era + 100, nil, 100 + 1<<31, true},
		"as far above as can be told":       {era + 100, nil, 100 + 1<<31 - 1, false},
		"as far below, running":             {era + 100, []uint64{era + 100 - 1<<31}, 100 + 1<<31, false},
		"nobody has written since creation": {3, nil, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (snapshot{xmax: c.xmax, running: c.running}).visible(c.xid); got != c.want {
				t.Errorf("visible is %t, want %t", got, c.want)
			}
		})
	}
}

// With the whole id at hand the rule is Postgres' own: below xmax and not running.
func TestVisibleAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xmax := rapid.Uint64Range(1<<31, 1<<40).Draw(t, "xmax")
		near := rapid.Custom(func(t *rapid.T) uint64 {
			return xmax + uint64(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64Range(-1<<31, 1<<31-1)).Draw(t, "distance"))
		})
		full := near.Draw(t, "xid")
		running := rapid.SliceOf(rapid.OneOf(near, rapid.Just(full))).Draw(t, "running")
		want := full < xmax && !slices.Contains(running, full)
		if got := (snapshot{xmax: xmax, running: running}).visible(uint32(full)); got != want {
			t.Fatalf("visible is %t, want %t", got, want)
		}
	})
}
