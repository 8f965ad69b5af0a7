package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/latchkey-dev/latchkey/db"
)

func backlogMetric() metric {
	return metric{
		name: "backlog",
		figures: []string{
			"backlog_vs_recvlogical", "backlog_vs_recvlogical_tcp", "backlog_events_per_s", "recvlogical_events_per_s", "recvlogical_tcp_events_per_s",
			"wal_bytes_per_delivery", "cpu_us_per_delivery",
		},
		about: "one-row transactions waiting behind a slot, two Go after-hooks an event that count. Latchkey: from the start of the stream until the cursors in " +
			"latchkey.subscriptions have reached the last event. pg_recvlogical: pgoutput, the same publication, to /dev/null, on a copy of the same slot, from \"streaming " +
			"initiated\" to \"end position reached\", by TCP and by the unix socket where the server has one, of which the faster counts; it gets no stamps (no messages 'true'), which Latchkey reads too, by TCP unless -socket is given. WAL: all that the server wrote in Latchkey's runs " +
			"(the source was written before; a checkpoint precedes each run, so the full-page images are those of the few old pages of the engine's own), per event and hook. CPU: user and system time of Latchkey's process alone.",
		run: measureBacklog,
	}
}

const backlogHooks = 2

func measureBacklog(ctx context.Context, b *bench) (_ []figure, err error) {
	if b.cpuProfile != "" {
		stop, err := profile(b.cpuProfile)
		if err != nil {
			return nil, err
		}
		defer stop() // what lies between the runs happens in other processes and takes no samples
	}
	var ours, theirs, tcp, wal, cpu []float64
	for i := range b.runs {
		l, err := b.writeBacklog(ctx, b.events)
		if err != nil {
			return nil, err
		}
		deliveries := float64(backlogHooks * l.all())
		reg, c := db.NewHooks(), newCounter(backlogHooks*l.all())
		counting(reg, c)
		d, err := b.deliver(ctx, l, reg, c)
		if err != nil {
			return nil, err
		}
		overTCP, best, err := b.limit(ctx, l)
		if err != nil {
			return nil, err
		}
		ours, theirs, tcp = append(ours, rate(l.all(), d.took)), append(theirs, best), append(tcp, overTCP)
		wal, cpu = append(wal, d.wal/deliveries), append(cpu, float64(d.cpu.Microseconds())/deliveries)
		b.say("backlog %d/%d: Latchkey %.0f events/s, pg_recvlogical %.0f (by TCP %.0f), ratio %.3f, WAL %.0f bytes and CPU %.2f us a delivery",
			i+1, b.runs, ours[i], theirs[i], tcp[i], ours[i]/theirs[i], wal[i], cpu[i])
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{
			Name: "backlog_vs_recvlogical", Value: median(ratios(ours, theirs)), Target: &target{AtLeast: true, Value: 0.6},
			Beside: fmt.Sprintf("%.0f events/s beside pg_recvlogical's %.0f", median(ours), median(theirs)),
		},
		{Name: "backlog_vs_recvlogical_tcp", Value: median(ratios(ours, tcp)), Beside: fmt.Sprintf("pg_recvlogical by TCP: %.0f events/s", median(tcp))},
		{Name: "backlog_events_per_s", Value: median(ours)},
		{Name: "recvlogical_events_per_s", Value: median(theirs)},
		{Name: "recvlogical_tcp_events_per_s", Value: median(tcp)},
		{Name: "wal_bytes_per_delivery", Value: median(wal), Target: &target{Value: 250}, Beside: "without the source's transactions"},
		{Name: "cpu_us_per_delivery", Value: median(cpu), Beside: "Latchkey's process"},
	}, nil
}

// limit is the events a second of pg_recvlogical: by TCP, and by the faster of the transports that the server has. A
// small message costs the walsender more by TCP than by a socket, and whoever sets the limit takes the better one.
func (b *bench) limit(ctx context.Context, l backlog) (tcp, best float64, err error) {
	took, err := b.receive(ctx, l, "")
	if err != nil {
		return 0, 0, err
	}
	tcp = rate(l.events, took)
	if b.socket == "" {
		return tcp, tcp, nil
	}
	if took, err = b.receive(ctx, l, b.socket); err != nil {
		return 0, 0, err
	}
	return tcp, max(tcp, rate(l.events, took)), nil
}

func profile(path string) (stop func(), err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		_ = file.Close() // nothing was written
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // pprof will say if it can't read it
	}, nil
}
