package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// WorkShard implements Worker: it generates, parses, grades and keeps the samples
// of a shard that have no row.
func (x *executor) WorkShard(ctx context.Context, sh Shard) error {
	if x.isClosed() {
		return ErrHandBack
	}
	s := x.enter(sh.RunKey)
	defer x.leave(s)
	s.begin(sh)
	err := s.work(ctx, sh)
	s.finish(sh, err == nil)
	return err
}

// work returns nil when nothing more is to be done for the shard, also when its
// run has ended or is ending.
func (s *site) work(ctx context.Context, sh Shard) error {
	r, err := s.x.deps.Store.GetRun(ctx, sh.RunKey)
	switch {
	case err != nil && !isNotFound(err):
		return s.broken(ctx, err)
	case s.look(r, err) != nil, s.stopped() != nil:
		return nil //nolint:nilerr // a run that is not there needs nothing
	}
	p, err := s.prepare(ctx, r)
	var fatal *fatalError
	switch {
	case errors.As(err, &fatal):
		s.fail(err)
		return nil
	case err != nil:
		return s.broken(ctx, err)
	}
	finished := make([]bool, sh.To-sh.From)
	err = s.x.deps.Store.EachRowIn(ctx, sh.RunKey, sh.From, sh.To, func(i int, _ Row) error {
		finished[i-sh.From] = true
		return nil
	})
	if err != nil {
		return s.broken(ctx, fmt.Errorf("read finished samples: %w", err))
	}
	return p.samples(ctx, sh, finished)
}

// broken is the error of a shard that met err: nothing when it was given up.
func (s *site) broken(ctx context.Context, err error) error {
	switch {
	case s.stopped() != nil, isNotFound(err):
		return nil //nolint:nilerr // nobody needs it any more
	case ctx.Err() != nil, s.x.base.Err() != nil, s.x.isClosed():
		return ErrHandBack
	default:
		return err
	}
}

// samples carries out what is left of a shard.
func (p *pipeline) samples(ctx context.Context, sh Shard, finished []bool) error {
	s := p.site
	// Others may have been given the shard when ctx ends. What is in flight by then was
	// paid for: it is kept if it comes before theirs.
	dispatching, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	s.slots.bring(sh.Slots)
	var wg sync.WaitGroup
	drained := p.dispatch(dispatching, sh, finished, func(sample Sample) {
		wg.Go(func() {
			defer s.slots.done()
			if err := p.one(s.ctx, sample); err != nil {
				s.fail(err)
			}
		})
	})
	wg.Wait()
	// Whoever gets these slots next may be elsewhere, so they are gone only when no
	// other shard here uses them.
	s.slots.take(sh.Slots)
	switch {
	case s.stopped() != nil:
		return nil
	case drained, ctx.Err() != nil, s.x.base.Err() != nil:
		return ErrHandBack
	default:
		return nil
	}
}

// dispatch has the samples of a shard that are not finished done in plan order, as
// slots become free. It returns true when it stopped before the end because the
// process is draining.
func (p *pipeline) dispatch(ctx context.Context, sh Shard, finished []bool, do func(Sample)) bool {
	for i := sh.From; i < min(sh.To, p.schedule.Len()); i++ {
		if finished[i-sh.From] {
			continue
		}
		// Controls are owed whatever was decided.
		var decided <-chan struct{}
		if stop := p.stop.Load(); stop != nil && p.schedule.Block(i) >= 0 {
			if decided = stop.decided; stop.isDecided() {
				return false
			}
		}
		// A select takes ready cases at random; draining has to win.
		select {
		case <-p.x.draining:
			return true
		default:
		}
		for ended := p.x.outage.wait(); ended != nil; ended = p.x.outage.wait() {
			select {
			case <-ended:
			case <-ctx.Done():
				return false
			case <-p.x.draining:
				return true
			}
		}
		select {
		case <-p.site.slots.free:
			do(p.schedule.At(i))
		case <-decided:
			return false
		case <-ctx.Done():
			return false
		case <-p.x.draining:
			return true
		}
	}
	return false
}
