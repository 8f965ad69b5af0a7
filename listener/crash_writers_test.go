//go:build unix

package listener_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// crashChange is a committed change of a role, told by a number that stands in the row: the new one, or the last one of
// a row that is gone.
type crashChange struct{ op, key, mark string }

// crashTruth is what the writers have committed: not what they tried, and nothing that the listener says.
type crashTruth struct {
	mu      sync.Mutex
	marks   int
	changes []crashChange
	sets    map[string][]string // by role: "assign a,b", in order
}

func newCrashTruth() *crashTruth { return &crashTruth{sets: map[string][]string{}} }

// mark is a number that nobody else writes.
func (w *crashTruth) mark() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.marks++
	return fmt.Sprintf("m%d", w.marks)
}

func (w *crashTruth) committed(changes ...crashChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, changes...)
}

func (w *crashTruth) committedSet(role, op, names string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sets[role] = append(w.sets[role], op+" "+names)
}

func (w *crashTruth) roleChanges() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.changes)
}

// crashPace keeps a writer at a pace that the children can follow: one transaction every few milliseconds, and few while
// much is undelivered.
type crashPace struct {
	ticker  *time.Ticker
	backlog func() int
}

const (
	crashBacklog = 250
	crashSlowly  = 10 // how many times slower
)

// next waits until the writer may go on; false says that it is to end.
func (p *crashPace) next(ctx context.Context) bool {
	for ticks := 1; ; ticks++ {
		select {
		case <-p.ticker.C:
			if ticks == crashSlowly || p.backlog() < crashBacklog {
				return ctx.Err() == nil
			}
		case <-ctx.Done():
			return false
		}
	}
}

// crashRoles are the roles of one writer, with the number that stands in each.
type crashRoles struct {
	random *rand.Rand
	prefix string
	made   int
	ids    []string
	marks  map[string]string
	bulk   map[string]string // marks of roles that are not written one by one
}

func newCrashRoles(prefix string, random *rand.Rand) *crashRoles {
	return &crashRoles{random: random, prefix: prefix, marks: map[string]string{}, bulk: map[string]string{}}
}

// fresh is the id of a role that doesn't exist yet.
func (r *crashRoles) fresh() string {
	r.made++
	return fmt.Sprintf("%s-%d", r.prefix, r.made)
}

func (r *crashRoles) any() string { return r.ids[r.random.IntN(len(r.ids))] }

// apply notes changes that were committed.
func (r *crashRoles) apply(w *crashTruth, changes ...crashChange) {
	w.committed(changes...)
	for _, c := range changes {
		switch c.op {
		case "insert":
			r.ids = append(r.ids, c.key)
			r.marks[c.key] = c.mark
		case "update":
			r.marks[c.key] = c.mark
		case "delete":
			r.drop(c.key)
		}
	}
}

// applyElsewhere notes the inserts of roles that nothing else is to touch.
func (r *crashRoles) applyElsewhere(w *crashTruth, changes []crashChange) {
	w.committed(changes...)
	for _, c := range changes {
		r.bulk[c.key] = c.mark
	}
}

func (r *crashRoles) drop(id string) {
	for i, other := range r.ids {
		if other == id {
			r.ids[i] = r.ids[len(r.ids)-1]
			r.ids = r.ids[:len(r.ids)-1]
			break
		}
	}
	delete(r.marks, id)
}

// crashTenant has the roles; crashShared of them are written by all writers.
const (
	crashTenant = "t"
	crashShared = 5
)

func sharedRole(i int) string { return fmt.Sprintf("shared-%d", i) }

// crashStore writes through the repositories.
type crashStore struct {
	store *db.Store
	truth *crashTruth
	roles *crashRoles
	perms map[string][]db.PermissionRef // by role, what it has
	all   []db.PermissionRef
}

func (s *crashStore) run(ctx context.Context, pace *crashPace) error {
	// A write that has begun is waited for: what became of it must be known.
	whole := context.WithoutCancel(ctx)
	for pace.next(ctx) {
		if err := s.write(whole, s.roles.random); err != nil {
			return fmt.Errorf("the repositories' writer: %w", err)
		}
	}
	return nil
}

func (s *crashStore) write(ctx context.Context, random *rand.Rand) error {
	n := random.IntN(100)
	switch {
	case len(s.roles.ids) < 5 || n < 20:
		return s.one(ctx, s.create)
	case n < 40:
		return s.one(ctx, s.update)
	case n < 50:
		return s.updateShared(ctx)
	case n < 60:
		return s.delete(ctx)
	case n < 70:
		return s.several(ctx)
	case n < 75:
		return s.rolledBack(ctx)
	default:
		return s.permissions(ctx)
	}
}

// one makes a write a transaction of its own, and notes what it changed.
func (s *crashStore) one(ctx context.Context, write func(context.Context, *db.Roles) (crashChange, error)) error {
	change, err := write(ctx, s.store.Roles)
	if err == nil {
		s.roles.apply(s.truth, change)
	}
	return err
}

func (s *crashStore) create(ctx context.Context, roles *db.Roles) (crashChange, error) {
	id, mark := s.roles.fresh(), s.truth.mark()
	_, err := roles.Create(ctx, crashTenant, db.CreateRole{ID: id, Name: id, Description: mark})
	return crashChange{"insert", id, mark}, err
}

func (s *crashStore) update(ctx context.Context, roles *db.Roles) (crashChange, error) {
	id, mark := s.roles.any(), s.truth.mark()
	_, err := roles.Update(ctx, crashTenant, id, db.UpdateRole{Description: db.Set(mark)})
	return crashChange{"update", id, mark}, err
}

func (s *crashStore) updateShared(ctx context.Context) error {
	id, mark := sharedRole(s.roles.random.IntN(crashShared)), s.truth.mark()
	_, err := s.store.Roles.Update(ctx, crashTenant, id, db.UpdateRole{Description: db.Set(mark)})
	if err == nil {
		s.truth.committed(crashChange{"update", id, mark})
	}
	return err
}

func (s *crashStore) delete(ctx context.Context) error {
	id := s.roles.any()
	if err := s.store.Roles.Delete(ctx, crashTenant, id); err != nil {
		return err
	}
	s.roles.apply(s.truth, crashChange{"delete", id, s.roles.marks[id]})
	if has := s.perms[id]; len(has) > 0 {
		s.truth.committedSet(id, "remove", permissionNames(has))
		delete(s.perms, id)
	}
	return nil
}

// several writes some roles in one transaction, and one more in a savepoint that is rolled back.
func (s *crashStore) several(ctx context.Context) error {
	var changes []crashChange
	err := s.store.InTx(ctx, func(tx *db.Tx) error {
		for range 2 + s.roles.random.IntN(4) {
			write := s.create
			if s.roles.random.IntN(2) == 0 {
				write = s.update
			}
			change, err := write(ctx, tx.Roles)
			if err != nil {
				return err
			}
			changes = append(changes, change)
		}
		err := tx.InTx(ctx, func(tx *db.Tx) error {
			if _, err := s.create(ctx, tx.Roles); err != nil {
				return err
			}
			return errChangedMind
		})
		if !errors.Is(err, errChangedMind) {
			return err
		}
		return nil
	})
	if err == nil {
		s.roles.apply(s.truth, changes...)
	}
	return err
}

var errChangedMind = errors.New("the writer changed its mind")

func (s *crashStore) rolledBack(ctx context.Context) error {
	err := s.store.InTx(ctx, func(tx *db.Tx) error {
		if _, err := s.create(ctx, tx.Roles); err != nil {
			return err
		}
		if _, err := s.update(ctx, tx.Roles); err != nil {
			return err
		}
		return errChangedMind
	})
	if errors.Is(err, errChangedMind) {
		return nil
	}
	return fmt.Errorf("a transaction that was to be rolled back: %w", err)
}

// permissions gives a role some that it hasn't, or takes all that it has.
func (s *crashStore) permissions(ctx context.Context) error {
	id := s.roles.any()
	if has := s.perms[id]; len(has) > 0 {
		if _, err := s.store.RolePermissions.Remove(ctx, crashTenant, id, has...); err != nil {
			return err
		}
		s.truth.committedSet(id, "remove", permissionNames(has))
		delete(s.perms, id)
		return nil
	}
	from := s.roles.random.IntN(50)
	give := s.all[from : from+1+s.roles.random.IntN(5)]
	if _, err := s.store.RolePermissions.Assign(ctx, crashTenant, id, give...); err != nil {
		return err
	}
	s.truth.committedSet(id, "assign", permissionNames(give))
	s.perms[id] = give
	return nil
}
