package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// beat says by the database's clock that this process lives.
	beat = `INSERT INTO unmask_replica (id, name, seen) VALUES ($1, $2, now())
		ON CONFLICT (id) DO UPDATE SET seen = excluded.seen`
	// free gives the jobs back whose worker is not among the living.
	// Nobody could send a heartbeat to a database that was not there.
	free = release + ` AND ` + lastWorker + ` NOT IN
			(SELECT id FROM unmask_replica WHERE seen > now() - make_interval(secs => $1))
		AND pg_postmaster_start_time() < now() - make_interval(secs => $1)`
	// reclaim gives the jobs back that the database takes this process to work on,
	// and it does not: the database went away as they were handed out or completed.
	reclaim = release + ` AND ` + lastWorker + ` = $1 AND NOT id = ANY($2)
		AND attempted_at < now() - make_interval(secs => $3)`
	// inherit gives the jobs back of the predecessors that had this replica's name.
	inherit = release + ` AND starts_with(` + lastWorker + `, $1 || '/') AND ` + lastWorker + ` <> $2`
	release = `UPDATE river_job SET state = 'available', scheduled_at = now()
		WHERE state = 'running' AND queue IN ('` + foremenQueue + `', '` + shardsQueue + `')`
	lastWorker = `attempted_by[array_upper(attempted_by, 1)]`
	// ours finds a job if it is still this process that works on it, at this attempt,
	// and running finds it if anybody does.
	ours    = `SELECT 1 FROM river_job WHERE id = $1 AND state = 'running' AND ` + lastWorker + ` = $2 AND attempt = $3`
	running = `SELECT 1 FROM river_job WHERE id = $1 AND state = 'running'`
	// succeed buries the predecessors that had this replica's name.
	succeed = `DELETE FROM unmask_replica WHERE name = $1 AND id <> $2`
	// bury forgets the dead, whose jobs are free by then.
	bury  = `DELETE FROM unmask_replica WHERE seen < now() - make_interval(secs => $1)`
	leave = `DELETE FROM unmask_replica WHERE id = $1`
)

// buriedAfter is how often the time after which it is dead a replica is
// remembered.
const buriedAfter = 20

// heartbeat tells the others that this process lives, and looks for the dead.
type heartbeat struct {
	stop context.CancelFunc
	done chan struct{}
	q    *Queue
}

// startHeartbeat enters this process among the living, and frees the jobs of
// whoever had its name.
func (q *Queue) startHeartbeat(ctx context.Context) (*heartbeat, error) {
	if q.cfg.Replica != "" {
		if _, err := q.be.exec(ctx, succeed, q.cfg.Replica, q.id); err != nil {
			return nil, fmt.Errorf("take over from the predecessor: %w", err)
		}
		if _, err := q.be.exec(ctx, inherit, q.cfg.Replica, q.id); err != nil {
			return nil, fmt.Errorf("take over from the predecessor: %w", err)
		}
	}
	if err := q.beat(ctx); err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &heartbeat{stop: stop, done: make(chan struct{}), q: q}
	go h.run(life)
	return h, nil
}

// beat tells that this process lives, and frees the jobs of those that do not.
func (q *Queue) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, q.cfg.DeadAfter/3)
	defer cancel()
	if q.lease.context().Err() != nil {
		// What kept this process from the database may have kept the others: they get
		// the same time to say that they live.
		q.judgeFrom = time.Now().Add(q.cfg.DeadAfter)
	}
	if _, err := q.be.exec(ctx, beat, q.id, q.cfg.Replica); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	mine := q.working.list(time.Now())
	n, err := q.be.exec(ctx, reclaim, q.id, mine, q.cfg.DeadAfter.Seconds())
	if err != nil {
		return fmt.Errorf("reclaim jobs that nobody works on: %w", err)
	}
	if n > 0 {
		q.cfg.Log.WarnContext(ctx, "jobs were handed out again that the database lost", slog.Int64("jobs", n))
	}
	if time.Now().Before(q.judgeFrom) {
		return nil
	}
	if n, err = q.be.exec(ctx, free, q.cfg.DeadAfter.Seconds()); err != nil {
		return fmt.Errorf("free the jobs of dead replicas: %w", err)
	}
	if n > 0 {
		q.cfg.Log.WarnContext(ctx, "jobs of dead replicas were freed", slog.Int64("jobs", n))
	}
	if _, err := q.be.exec(ctx, bury, buriedAfter*q.cfg.DeadAfter.Seconds()); err != nil {
		return fmt.Errorf("forget dead replicas: %w", err)
	}
	return nil
}

// run beats until it is stopped. When the last beat that arrived is so old that
// others may soon take this process for dead, it gives up its jobs: at most
// DeadAfter minus one heartbeat after it, so before they are freed.
func (h *heartbeat) run(ctx context.Context) {
	defer close(h.done)
	q := h.q
	tick := time.NewTicker(q.cfg.Heartbeat)
	defer tick.Stop()
	expire := time.AfterFunc(q.cfg.DeadAfter-q.cfg.Heartbeat, q.lease.lose)
	defer expire.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		// The timer measures from before the beat is sent.
		sent := time.Now()
		if err := q.beat(ctx); err != nil {
			if ctx.Err() == nil {
				q.cfg.Log.WarnContext(ctx, "no heartbeat", slog.String("error", err.Error()))
				q.away.Store(true)
			}
			continue
		}
		q.away.Store(false)
		expire.Reset(max(0, q.cfg.DeadAfter-q.cfg.Heartbeat-time.Since(sent)))
		q.lease.renew()
	}
}

// end stops the heartbeat and leaves the living: nothing is at work any more.
func (h *heartbeat) end(ctx context.Context) {
	h.stop()
	<-h.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.q.cfg.Heartbeat)
	defer cancel()
	if _, err := h.q.be.exec(ctx, leave, h.q.id); err != nil {
		h.q.cfg.Log.WarnContext(ctx, "the replica could not take its leave", slog.String("error", err.Error()))
	}
}
