package listener

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// queueSent writes what came of attempts: the deliveries' rows, many at a time, and a line each in the tenant's log.
func queueSent(q *pgx.Batch, arrived []outcome) {
	var first sentRows
	var later []sentRows // an UPDATE changes a row once, so what comes twice for a delivery goes into the next
	var lines logRows
	tries := map[deliveryID]int{}
	for _, o := range arrived {
		switch o.kind {
		case posted:
			first.add(o)
		case retried:
			id := deliveryID{o.sub.id, o.seq}
			if tries[id] == len(later) {
				later = append(later, sentRows{})
			}
			later[tries[id]].add(o)
			tries[id]++
		default:
			continue
		}
		lines.add(o.sent)
	}
	if len(first.seqs) > 0 {
		q.Queue(`insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt, next_attempt_at, last_error, event_id, attempts)
			select s, q, array_remove(array[e, f], null), st, 1, n, er, ev, jsonb_build_array(a::jsonb)
			from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[]) as x (s, q, e, f, st, n, er, ev, a)`, first.args()...)
	}
	for _, rows := range later {
		q.Queue(`update latchkey.deliveries d set status = st, attempt = d.attempt + 1, next_attempt_at = n, last_error = coalesce(er, d.last_error), event_id = ev, asked_at = null, updated_at = now(),
				attempts = case when jsonb_array_length(coalesce(d.attempts, '[]')) < 20 then coalesce(d.attempts, '[]') else d.attempts - 0 end || jsonb_build_array(a::jsonb)
			from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[]) as x (s, q, e, f, st, n, er, ev, a)
			where d.subscription_id = s and d.seq = q and d.status in ('retry', 'held', 'running')`, rows.args()...)
	}
	if len(lines.ids) > 0 {
		q.Queue(`insert into auth.logs (tenant_id, log_id, type, date, description, user_id, ip, user_agent, client_id, details)
			select t, i, ty, d, de, nullif(u, ''), nullif(ip, ''), nullif(ua, ''), nullif(c, ''), de2::jsonb
			from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) as x (t, i, ty, d, de, u, ip, ua, c, de2)`, lines.args()...)
	}
}

// deliveryID is a delivery's key.
type deliveryID struct{ subscription, seq int64 }

// sentRows are columns for unnest.
type sentRows struct {
	subs, seqs         []int64
	entities, others   []*string
	statuses           []string
	nexts              []*time.Time
	errors             []*string
	eventIDs, attempts []string
}

func (r *sentRows) add(o outcome) {
	s := o.sent
	entity, other := s.ev.Entity(), (*string)(nil)
	if old := s.ev.OldEntity(); old != "" {
		other = &old
	}
	var next *time.Time
	var failed *string
	if err := s.run.Err; err != nil {
		text := errorText(err)
		failed = &text
		if !s.run.Dead {
			next = &s.run.Retry
		}
	}
	r.subs, r.seqs = append(r.subs, o.sub.id), append(r.seqs, o.seq)
	r.entities, r.others = append(r.entities, &entity), append(r.others, other)
	r.statuses, r.nexts, r.errors = append(r.statuses, s.status()), append(r.nexts, next), append(r.errors, failed)
	r.eventIDs, r.attempts = append(r.eventIDs, s.eventID), append(r.attempts, s.record())
}

func (r *sentRows) args() []any {
	return []any{r.subs, r.seqs, r.entities, r.others, r.statuses, r.nexts, r.errors, r.eventIDs, r.attempts}
}

// logRows are lines of auth.logs: failed_hook, or success_hook.
type logRows struct {
	tenants, ids, types []string
	dates               []time.Time
	descriptions, users []string
	ips, agents, client []string
	details             []string
}

func (r *logRows) add(s *sent) {
	kind, description := "success_hook", "webhook "+s.hook.TriggerID+" delivered"
	if s.run.Err != nil {
		kind, description = "failed_hook", "webhook "+s.hook.TriggerID+" failed: "+shortText(s.run.Err.Error())
	}
	details, err := json.Marshal(webhook.LogDetails{
		TriggerID: s.hook.TriggerID, HookID: s.hook.ID, HookName: s.hook.Name, EventID: s.eventID, WebhookID: webhook.MessageID(s.eventID, s.hook.ID),
		Attempt: s.attempt, Outcome: s.status(),
	}.Of(s.answer))
	if err != nil {
		details = []byte("{}") // strings and numbers always marshal
	}
	r.tenants, r.ids, r.types = append(r.tenants, s.hook.TenantID), append(r.ids, newLogID(s.run.Began)), append(r.types, kind)
	r.dates, r.descriptions = append(r.dates, s.run.Began), append(r.descriptions, description)
	r.users = append(r.users, userOf(s))
	r.ips, r.agents, r.client = append(r.ips, s.stamp.IP), append(r.agents, s.stamp.UserAgent), append(r.client, s.stamp.ClientID)
	r.details = append(r.details, string(details))
}

func (r *logRows) args() []any {
	return []any{r.tenants, r.ids, r.types, r.dates, r.descriptions, r.users, r.ips, r.agents, r.client, r.details}
}

// userOf is the user whom the event is about; empty where there is none.
func userOf(s *sent) string {
	im := s.ev.New
	if im == nil {
		im = s.ev.Old
	}
	if im == nil {
		return ""
	}
	user, _ := im.Value("user_id")
	return string(user)
}

// newLogID is log_ and 26 letters and digits that grow with time, so that what is written together lies together in the index.
func newLogID(at time.Time) string {
	text := strconv.FormatInt(at.UnixMicro(), 36) // 10 digits until 2085
	return "log_" + text + rand.Text()[:16]
}

// shortText keeps a description to a line.
func shortText(text string) string {
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "..."
	}
	return text
}
