//go:build unix

package listener_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
)

// crashTerminal is a writer that knows nothing of Latchkey.
type crashTerminal interface {
	// run returns when the script is through: SQL, each statement on its own unless it says begin.
	run(ctx context.Context, script string) error
	// copy loads rows by COPY ... FROM STDIN, in text format.
	copy(ctx context.Context, into, rows string) error
	close() error
}

// openCrashTerminal starts psql, or where there is none, connects.
func openCrashTerminal(ctx context.Context, url string) (t crashTerminal, name string, err error) {
	if path, lookErr := exec.LookPath("psql"); lookErr == nil {
		p := &crashPsql{cmd: exec.CommandContext(ctx, path, "-XqAt", "-v", "ON_ERROR_STOP=1", url), said: &logged{}}
		return p, "psql", p.start()
	}
	conn, err := pgx.Connect(ctx, url)
	return &crashConn{conn}, "a connection (psql is not on the PATH)", err
}

// crashPsql is one process, which is fed scripts.
type crashPsql struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  chan string
	said *logged
	runs int
}

func (p *crashPsql) start() error {
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.cmd.Stderr = p.said
	p.out = make(chan string)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.out <- lines.Text()
		}
	}()
	return nil
}

func (p *crashPsql) run(_ context.Context, script string) error {
	p.runs++
	end := fmt.Sprintf("through %d", p.runs)
	if _, err := fmt.Fprintf(p.in, "%s;\nselect '%s';\n", script, end); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, p.said)
	}
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.out:
			if !ok {
				return fmt.Errorf("psql ended in %q: %s", script, p.said)
			}
			if line == end {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("psql was not through with %q within %v", script, patience)
		}
	}
}

func (p *crashPsql) copy(ctx context.Context, into, rows string) error {
	return p.run(ctx, "copy "+into+" from stdin;\n"+rows+"\\.\n")
}

func (p *crashPsql) close() error {
	_ = p.in.Close()
	for range p.out { // what is left must be read, or psql doesn't end
		continue
	}
	return p.cmd.Wait()
}

// crashConn uses the simple protocol, as psql does.
type crashConn struct{ conn *pgx.Conn }

func (c *crashConn) run(ctx context.Context, script string) error {
	_, err := c.conn.PgConn().Exec(ctx, script).ReadAll()
	return err
}

func (c *crashConn) copy(ctx context.Context, into, rows string) error {
	_, err := c.conn.PgConn().CopyFrom(ctx, strings.NewReader(rows), "copy "+into+" from stdin")
	return err
}

func (c *crashConn) close() error { return c.conn.Close(context.Background()) }

// crashShell writes by SQL alone.
type crashShell struct {
	terminal crashTerminal
	truth    *crashTruth
	roles    *crashRoles
	all      []db.PermissionRef
	bulk     chan struct{} // asks for a transaction that is stored in chunks
	bulks    int
}

func (s *crashShell) run(ctx context.Context, pace *crashPace) error {
	whole := context.WithoutCancel(ctx)
	for pace.next(ctx) {
		write := s.write
		select {
		case <-s.bulk:
			write = s.writeBulk
		default:
		}
		if err := write(whole); err != nil {
			return fmt.Errorf("the external writer: %w", err)
		}
	}
	return s.terminal.close()
}

func (s *crashShell) write(ctx context.Context) error {
	n := s.roles.random.IntN(100)
	switch {
	case len(s.roles.ids) < 5 || n < 15:
		return s.commit(ctx, s.insert)
	case n < 40:
		return s.commit(ctx, s.update)
	case n < 50:
		return s.commit(ctx, s.delete)
	case n < 60:
		return s.commit(ctx, s.rename)
	case n < 70:
		return s.updateShared(ctx)
	case n < 80:
		return s.commit(ctx, s.insert, s.update, s.update, s.insert)
	case n < 85:
		return s.copyRoles(ctx)
	case n < 90:
		return s.savepoint(ctx)
	default:
		return s.rolledBack(ctx)
	}
}

const crashInsert = `insert into auth.roles (tenant_id, id, name, description) values ('t', '%[1]s', '%[1]s', '%[2]s')`

func (s *crashShell) insert() (string, crashChange) {
	id, mark := s.roles.fresh(), s.truth.mark()
	return fmt.Sprintf(crashInsert, id, mark), crashChange{"insert", id, mark}
}

func (s *crashShell) update() (string, crashChange) {
	id, mark := s.roles.any(), s.truth.mark()
	return fmt.Sprintf(`update auth.roles set description = '%s' where id = '%s'`, mark, id), crashChange{"update", id, mark}
}

func (s *crashShell) delete() (string, crashChange) {
	id := s.roles.any()
	return fmt.Sprintf(`delete from auth.roles where id = '%s'`, id), crashChange{"delete", id, s.roles.marks[id]}
}

// rename changes the key: the event belongs to both roles.
func (s *crashShell) rename() (string, crashChange) {
	old, id, mark := s.roles.any(), s.roles.fresh(), s.truth.mark()
	return fmt.Sprintf(`update auth.roles set id = '%[1]s', name = '%[1]s', description = '%[2]s' where id = '%[3]s'`, id, mark, old),
		crashChange{"rename " + old, id, mark}
}

// commit runs statements as one transaction.
func (s *crashShell) commit(ctx context.Context, statements ...func() (string, crashChange)) error {
	var script []string
	var changes []crashChange
	for _, statement := range statements {
		sql, change := statement()
		script, changes = append(script, sql), append(changes, change)
	}
	text := strings.Join(script, ";\n")
	if len(script) > 1 {
		text = "begin;\n" + text + ";\ncommit"
	}
	if err := s.terminal.run(ctx, text); err != nil {
		return err
	}
	for _, change := range changes {
		if old, ok := strings.CutPrefix(change.op, "rename "); ok {
			s.roles.drop(old)
			s.roles.ids = append(s.roles.ids, change.key)
			change.op = "update"
		}
		s.roles.apply(s.truth, change)
	}
	return nil
}

func (s *crashShell) updateShared(ctx context.Context) error {
	id, mark := sharedRole(s.roles.random.IntN(crashShared)), s.truth.mark()
	err := s.terminal.run(ctx, fmt.Sprintf(`update auth.roles set description = '%s' where id = '%s'`, mark, id))
	if err == nil {
		s.truth.committed(crashChange{"update", id, mark})
	}
	return err
}

func (s *crashShell) copyRoles(ctx context.Context) error {
	var rows strings.Builder
	var changes []crashChange
	for range 15 {
		id, mark := s.roles.fresh(), s.truth.mark()
		fmt.Fprintf(&rows, "t\t%s\t%s\t%s\n", id, id, mark)
		changes = append(changes, crashChange{"insert", id, mark})
	}
	if err := s.terminal.copy(ctx, "auth.roles (tenant_id, id, name, description)", rows.String()); err != nil {
		return err
	}
	s.roles.apply(s.truth, changes...)
	return nil
}

// savepoint commits the first and the last of three inserts.
func (s *crashShell) savepoint(ctx context.Context) error {
	first, one := s.insert()
	lost, _ := s.insert()
	last, two := s.insert()
	err := s.terminal.run(ctx, "begin;\n"+first+";\nsavepoint a;\n"+lost+";\nrollback to a;\n"+last+";\ncommit")
	if err == nil {
		s.roles.apply(s.truth, one, two)
	}
	return err
}

func (s *crashShell) rolledBack(ctx context.Context) error {
	first, _ := s.insert()
	second, _ := s.update()
	third, _ := s.delete()
	return s.terminal.run(ctx, "begin;\n"+strings.Join([]string{first, second, third}, ";\n")+";\nrollback")
}

// Bulk transactions are bigger than what is stored at once. Roles make an event each, permissions one of all.
const crashPermissions = 3000

// bulkRoles is how many roles the n-th bulk has.
func bulkRoles(n int) int {
	if n == 1 {
		return 1100
	}
	return 300
}

// writeBulk writes many roles in one transaction, and all permissions for one of them. The next one deletes them.
func (s *crashShell) writeBulk(ctx context.Context) error {
	s.bulks++
	n := (s.bulks + 1) / 2
	prefix := fmt.Sprintf("bulk-%d-", n)
	if s.bulks%2 == 0 {
		return s.deleteBulk(ctx, prefix, bulkRoles(n))
	}
	var changes []crashChange
	var script strings.Builder
	script.WriteString("begin;\ninsert into auth.roles (tenant_id, id, name, description) values ")
	for i := range bulkRoles(n) {
		id, mark := fmt.Sprintf("%s%d", prefix, i), s.truth.mark()
		fmt.Fprintf(&script, "%s\n('t', '%s', '%s', '%s')", strings.Repeat(",", min(i, 1)), id, id, mark)
		changes = append(changes, crashChange{"insert", id, mark})
	}
	fmt.Fprintf(&script, ";\ninsert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) select 't', '%s0', 'api', permission_name from auth.permissions;\ncommit", prefix)
	if err := s.terminal.run(ctx, script.String()); err != nil {
		return err
	}
	s.roles.applyElsewhere(s.truth, changes)
	s.truth.committedSet(prefix+"0", "assign", permissionNames(s.all))
	return nil
}

func (s *crashShell) deleteBulk(ctx context.Context, prefix string, roles int) error {
	if err := s.terminal.run(ctx, fmt.Sprintf(`delete from auth.roles where id like '%s%%'`, prefix)); err != nil {
		return err
	}
	var changes []crashChange
	for i := range roles {
		id := fmt.Sprintf("%s%d", prefix, i)
		mark, ok := s.roles.bulk[id]
		if !ok {
			return errors.New("the bulk that is to be deleted was not written")
		}
		changes = append(changes, crashChange{"delete", id, mark})
	}
	s.truth.committed(changes...)
	s.truth.committedSet(prefix+"0", "remove", permissionNames(s.all))
	return nil
}
