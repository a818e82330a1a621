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
	free = `UPDATE river_job SET state = 'available', scheduled_at = now()
		WHERE state = 'running' AND queue IN ('` + foremenQueue + `', '` + shardsQueue + `')
		AND attempted_by[array_upper(attempted_by, 1)] NOT IN
			(SELECT id FROM unmask_replica WHERE seen > now() - make_interval(secs => $1))`
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
	ctx, cancel := context.WithTimeout(ctx, q.cfg.DeadAfter)
	defer cancel()
	if _, err := q.be.exec(ctx, beat, q.id, q.cfg.Replica); err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	n, err := q.be.exec(ctx, free, q.cfg.DeadAfter.Seconds())
	if err != nil {
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
			}
			continue
		}
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
