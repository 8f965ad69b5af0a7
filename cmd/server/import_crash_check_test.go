//go:build unix

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check compares what is there at the end with the file.
func (c *importCrash) check(id string, j importJob) {
	c.t.Helper()
	c.measure()
	inserted, wrong := 0, []int64{}
	want := map[string]int{} // how often the webhook is asked about an address, unless somebody was killed
	for i := range c.users {
		switch i % 100 {
		case 50, 51, 52:
			wrong = append(wrong, int64(i)+1)
		default:
			inserted++
		}
		if line := importLine(i); strings.HasPrefix(line, "{") {
			want[strings.Split(line, `"`)[3]]++
		}
	}
	if j.Status != "completed" || j.Summary.Inserted != inserted || j.Summary.Failed != len(wrong) || j.Summary.Updated != 0 || j.Summary.Total != c.users {
		c.t.Errorf("the job is %+v; want %d inserted and %d failed", j, inserted, len(wrong))
	}
	if got := c.wrongLines(id); !slices.Equal(got, wrong) {
		c.t.Errorf("%d lines are told to be wrong, want %d: %.500s", len(got), len(wrong), fmt.Sprint(got))
	}
	c.counts("users, and their addresses", `select count(*), count(distinct email) from auth.users where connection = 'mine' and email ~ '^u\d+@example.com$'`, inserted)
	c.awaitLines(inserted)
	c.counts("lines of the hook audit, and the users that they tell of", `select count(*), count(distinct description) from auth.logs where description like 'user created: %'`, inserted)
	c.counts("events, and their users", `select count(*), count(distinct key) from latchkey.events where table_name = 'auth.users' and operation = 'insert'`, inserted)
	c.counts("chunks of the file", `select count(*), count(*) from auth.job_chunks`, 0)
	c.checkAsked(want)
	if c.rss > mostRSS {
		c.t.Errorf("a server had %d KiB, want at most %d", c.rss, mostRSS)
	}
}

// checkAsked fails the test for a user who was not asked about, and for more who were asked about again than docs/api.md says.
func (c *importCrash) checkAsked(want map[string]int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	again := 0
	for email, n := range c.asked {
		c.questions += n
		if want[email] == 0 {
			c.t.Errorf("asked about %s, which no line has", email)
		}
	}
	for email, n := range want {
		if c.asked[email] < n {
			c.t.Errorf("asked %d times about %s, want %d", c.asked[email], email, n)
		}
		again += c.asked[email] - n
	}
	if again > importKills*askedAgain {
		c.t.Errorf("asked about %d users again, with %d kills", again, importKills)
	}
}

// wrongLines are the lines that the job reports, page by page.
func (c *importCrash) wrongLines(id string) (lines []int64) {
	c.t.Helper()
	for after := int64(0); ; {
		var page []struct {
			Line   int64
			Errors []struct{ Code string }
		}
		c.call(http.MethodGet, "/api/v2/jobs/"+id+"/errors?after="+strconv.FormatInt(after, 10), "", nil, http.StatusOK, &page)
		if len(page) == 0 {
			return lines
		}
		for _, e := range page {
			wants := map[int64]string{51: "invalid_request", 52: "webhook_refused", 53: "conflict"}[e.Line%100]
			if len(e.Errors) != 1 || e.Errors[0].Code != wants {
				c.t.Errorf("line %d: %+v, want %s", e.Line, e.Errors, wants)
			}
			lines, after = append(lines, e.Line), e.Line
		}
	}
}

// awaitLines waits until the after-hooks have run.
func (c *importCrash) awaitLines(want int) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	further, last := time.Now(), 0
	for {
		n := query[int](c.t, c.URL, `select count(*) from auth.logs where description like 'user created: %'`)
		if n >= want {
			return
		}
		if n > last {
			further, last = time.Now(), n
		}
		if time.Since(further) > patience {
			c.t.Fatalf("for %v no after-hook ran, and %d of %d have", patience, n, want)
		}
		select {
		case <-tick.C:
		case <-c.t.Context().Done():
			c.t.Fatal(c.t.Context().Err())
		}
	}
}

// counts fails the test unless both counts are as wanted.
func (c *importCrash) counts(what, sql string, want int) {
	c.t.Helper()
	var n, distinct int
	if err := c.Pool(c.t).QueryRow(c.t.Context(), sql).Scan(&n, &distinct); err != nil {
		c.t.Fatal(err)
	}
	if n != want || distinct != want {
		c.t.Errorf("there are %d %s: %d; want %d", n, what, distinct, want)
	}
}
