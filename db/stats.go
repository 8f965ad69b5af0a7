package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// DailyStats is what happened in a tenant on one day, of UTC.
type DailyStats struct {
	Day     time.Time
	Logins  int64 // lines of type s in the log
	Signups int64 // users that were created, and are there still
}

// ActiveUsers counts the tenant's users who logged in since then.
func (s *Store) ActiveUsers(ctx context.Context, tenantID string, since time.Time) (int64, error) {
	n, err := dbsqlc.New(s.pool).CountActiveUsers(ctx, tenantID, since)
	return n, failed(err, "count", "active users")
}

// Daily counts what happened from one day to another, which is included; days on which nothing did are there too.
func (s *Store) Daily(ctx context.Context, tenantID string, from, to time.Time) ([]DailyStats, error) {
	from, end := startOf(from), startOf(to).AddDate(0, 0, 1)
	var days []DailyStats
	place := map[time.Time]int{}
	for day := from; day.Before(end); day = day.AddDate(0, 0, 1) {
		place[day] = len(days)
		days = append(days, DailyStats{Day: day})
	}
	q := dbsqlc.New(s.pool)
	logins, err := q.CountDailyLogins(ctx, tenantID, from, end)
	if err != nil {
		return nil, failed(err, "count", "logins")
	}
	for _, row := range logins {
		days[place[row.Day.UTC()]].Logins = row.N
	}
	signups, err := q.CountDailySignups(ctx, tenantID, from, end)
	if err != nil {
		return nil, failed(err, "count", "signups")
	}
	for _, row := range signups {
		days[place[row.Day.UTC()]].Signups = row.N
	}
	return days, nil
}

func startOf(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
