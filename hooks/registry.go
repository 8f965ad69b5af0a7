package hooks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Registry is what the entities of one catalogue share: the after-hooks in the order of their registration, and what was
// registered wrongly.
type Registry struct {
	tables    []string
	own       []OwnTable
	afters    []*After
	problems  []error
	observers []func(BeforeRun)
	policies  map[string]Policy
	audits    []audit
	unhooked  func(context.Context, Tx, Unhooked) error
	attached  map[reflect.Type]any
}

// AfterTimeout is the deadline of an after-hook unless [Timeout] says otherwise.
const AfterTimeout = 30 * time.Second

var validName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]*$`)

// longestHook is how long a hook's name may be, its kind included.
const longestHook = 63

// Tables lists the tables of the catalogue, schema.table, hooked or not.
func (r *Registry) Tables() []string { return slices.Clone(r.tables) }

// OwnTables lists those of Tables that are outside of the catalogue.
func (r *Registry) OwnTables() []OwnTable { return slices.Clone(r.own) }

func (r *Registry) addOwn(t OwnTable) {
	if !slices.Contains(r.tables, t.Name) {
		r.tables, r.own = append(r.tables, t.Name), append(r.own, t)
	}
}

// Problem notes what was registered wrongly, for Err.
func (r *Registry) Problem(err error) { r.problems = append(r.problems, err) }

// Afters lists the after-hooks in the order of their registration.
func (r *Registry) Afters() []*After { return slices.Clone(r.afters) }

// Err is what was registered wrongly, all of it; nil if nothing was.
func (r *Registry) Err() error { return errors.Join(r.problems...) }

// Check says what is wrong with the name of a hook of the kind.
func (k Kind) Check(name string) error {
	switch {
	case len(k.hook(name)) > longestHook:
		return fmt.Errorf("the name is longer than %d characters", longestHook-len(k.hook("x"))+1)
	case !validName.MatchString(name):
		return errors.New("a name is a letter, then letters, digits, or any of _ . : -")
	case strings.HasPrefix(name, "latchkey."):
		return errors.New("names that begin with latchkey. are Latchkey's own")
	}
	return nil
}

var (
	errMissing = errors.New("the function is nil")
	errTaken   = errors.New("the name is taken for this operation: names are a hook's identity, so give one of the two another")
)

func (r *Registry) check(table string, kind Kind, name string, o Operation, when string, missing bool, taken bool) bool {
	problem := kind.Check(name)
	switch {
	case problem != nil:
	case missing:
		problem = errMissing
	case taken:
		problem = errTaken
	default:
		return true
	}
	r.problems = append(r.problems, fmt.Errorf("hooks: %s %s hook %q of %s: %w", when, o, kind.hook(name), table, problem))
	return false
}

// after finds or makes the hook (table, kind, name) and adds a handler to it.
func (r *Registry) after(table string, kind Kind, name string, op Operation, missing bool, h handler, opts []Option) {
	at := slices.IndexFunc(r.afters, func(a *After) bool { return a.Table == table && a.Name == kind.hook(name) })
	taken := at >= 0 && (r.afters[at].handlers[op] != nil || r.afters[at].kind.Name != kind.Name)
	if !r.check(table, kind, name, op, "after", missing, taken) {
		return
	}
	if at < 0 {
		at = len(r.afters)
		r.afters = append(r.afters, &After{Table: table, Name: kind.hook(name), kind: kind, options: options{timeout: AfterTimeout}})
	}
	r.afters[at].handlers[op] = h
	for _, opt := range opts {
		opt(&r.afters[at].options)
	}
}

func addBefore[F any](r *Registry, to *chain[F], table, name string, op Operation, missing bool, fn F, opts []Option) {
	taken := slices.ContainsFunc(*to, func(l link[F]) bool { return l.name == name })
	if !r.check(table, Kind{}, name, op, "before", missing, taken) {
		return
	}
	*to = append(*to, newLink(name, fn, opts))
}
