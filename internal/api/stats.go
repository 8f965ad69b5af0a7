package api

import (
	"context"
	"net/http"
	"time"
)

const (
	activeFor = 30 * 24 * time.Hour
	mostDays  = 366
)

type dailyStats struct {
	Date            time.Time `json:"date"`
	Logins          int64     `json:"logins"`
	Signups         int64     `json:"signups"`
	LeakedPasswords int64     `json:"leaked_passwords" doc:"Not counted: 0."`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

type (
	daysInput struct {
		From string `query:"from" pattern:"^[0-9]{8}$" patternDescription:"a day as YYYYMMDD" doc:"The first day, of UTC; 30 days before the last unless given." example:"20260101"`
		To   string `query:"to" pattern:"^[0-9]{8}$" patternDescription:"a day as YYYYMMDD" doc:"The last day; today unless given."`
	}
	daysOutput struct {
		Body []dailyStats `nullable:"false"`
	}
	numberOutput struct{ Body int64 }
)

func (s *server) addStats() {
	add(s, operation{
		id: "get-active-users", method: http.MethodGet, path: "/stats/active-users", scope: "read:stats", tag: tagTenant, summary: "Count the users who logged in within 30 days",
	}, func(ctx context.Context, c *caller, _ *struct{}) (*numberOutput, error) {
		n, err := s.cfg.Store.ActiveUsers(ctx, c.tenant, time.Now().Add(-activeFor))
		return &numberOutput{n}, err
	})
	add(s, operation{
		id: "list-daily-stats", method: http.MethodGet, path: "/stats/daily", scope: "read:stats", tag: tagTenant, summary: "Count logins and signups by day",
	}, s.dailyStats)
}

func (s *server) dailyStats(ctx context.Context, c *caller, in *daysInput) (*daysOutput, error) {
	to := time.Now().UTC()
	var err error
	if in.To != "" {
		if to, err = time.Parse("20060102", in.To); err != nil {
			return nil, badRequest("to: there is no such day.")
		}
	}
	from := to.Add(-activeFor)
	if in.From != "" {
		if from, err = time.Parse("20060102", in.From); err != nil {
			return nil, badRequest("from: there is no such day.")
		}
	}
	if from.After(to) || to.Sub(from) > mostDays*24*time.Hour {
		return nil, badRequest("from, to: a year at most, and from comes first.")
	}
	days, err := s.cfg.Store.Daily(ctx, c.tenant, from, to)
	if err != nil {
		return nil, err
	}
	now, list := time.Now().UTC(), make([]dailyStats, len(days))
	for i, d := range days {
		list[i] = dailyStats{Date: d.Day, Logins: d.Logins, Signups: d.Signups, CreatedAt: d.Day, UpdatedAt: now}
	}
	return &daysOutput{list}, nil
}
