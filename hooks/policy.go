package hooks

// Policy says what becomes of writes to a table that skip the repositories, and with them its before-hooks in Go. Who skips
// them is told from the stamp, which any writer can set: a policy is a guard rail, and no security boundary.
type Policy string

// The policies. A store installs one when it opens; where none is declared, the database keeps what it has
// (`select latchkey.set_write_policy('auth.roles', 'reject')` sets one too), and that is allow at first.
const (
	// PolicyAllow lets every writer write.
	PolicyAllow Policy = "allow"
	// PolicyAudit lets every writer write. For each row that skipped the repositories the listener then runs the before-hooks,
	// in a savepoint that is always rolled back, and notes what they would have said: in its log, and in auth.logs as a line
	// of type unhooked_write, exactly once. A set's hooks run once for each owner and transaction. Effects of a before-hook
	// outside the database do happen. A listener audits the tables of its catalogue that have before-hooks, or this policy.
	PolicyAudit Policy = "audit"
	// PolicyReject has Postgres refuse statements that skip the repositories, TRUNCATE and what a foreign key takes along
	// included. Raw SQL in a store's or a hook's transaction passes as the app's.
	PolicyReject Policy = "reject"
)

// Policy declares the table's write policy.
func (e *Entity[Row]) Policy(p Policy) { e.registry.setPolicy(e.table, p) }

// Policy declares the table's write policy.
func (s *Set[Owner, Member]) Policy(p Policy) { s.registry.setPolicy(s.table, p) }

func (r *Registry) setPolicy(table string, p Policy) {
	if r.policies == nil {
		r.policies = map[string]Policy{}
	}
	r.policies[table] = p
}

// Policy is what was declared for a table; empty where nothing was.
func (r *Registry) Policy(table string) Policy { return r.policies[table] }
