package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// windowShards is how many shards a run has queued or at work when its
	// concurrency allows: enough that replicas can share a run and that one which
	// ends does not leave the others without work, few enough that runs take turns.
	windowShards = 8
	// shardTime is how long a shard should take: long beside the few milliseconds
	// that queueing one costs.
	shardTime = 1500 * time.Millisecond
	// maxShard bounds the samples of a shard.
	maxShard = 2048
	// awayInterval is how often a foreman asks the queue after shards that are not
	// worked on here, and homeInterval after those that are and will say so.
	awayInterval = 250 * time.Millisecond
	homeInterval = 2 * time.Second
)

// foreman carries out one run: it keeps a window of shards queued, and ends the
// run. It learns of the shards' ends from this process at once and otherwise from
// the queue, and believes the rows alone.
type foreman struct {
	x    *executor
	site *site
	run  Run
	p    *pipeline
	// taken are the samples that have a row, or belong to a shard that is out.
	taken bits
	// next is the first sample that may not be taken; end bounds what is asked.
	next, end int
	// out are the shards that are queued or at work, with the time since when.
	out map[Shard]time.Time
	// rate is the samples of a shard in a second, 0 when not known; made counts the
	// shards so far.
	rate float64
	made int

	mu   sync.Mutex
	news []Shard
	bell chan struct{}
}

// WorkRun implements Worker: it brings a run to its end, unless the process is
// stopping: then the run stays as it is and is handed back.
func (x *executor) WorkRun(ctx context.Context, key RunKey) error {
	if x.isClosed() {
		return ErrHandBack
	}
	r, err := x.deps.Store.GetRun(ctx, key)
	if isNotFound(err) || (err == nil && r.State.Terminal()) {
		return nil
	}
	if err != nil {
		return err
	}
	s := x.enter(key)
	defer x.feed.left(key)
	defer x.leave(s)
	f := &foreman{x: x, site: s, run: r, out: map[Shard]time.Time{}, bell: make(chan struct{}, 1)}
	if !s.appoint(f) {
		return nil
	}
	defer s.dismiss()
	return f.carryOut(ctx)
}

// ring has the foreman look around.
func (f *foreman) ring() {
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

// ended tells the foreman of a shard that is done in this process.
func (f *foreman) ended(sh Shard) {
	f.mu.Lock()
	f.news = append(f.news, sh)
	f.mu.Unlock()
	f.ring()
}

func (f *foreman) carryOut(ctx context.Context) error {
	x, r := f.x, f.run
	started := x.deps.Now()
	x.deps.Observer.RunStarted(r.RunKey, int(r.Progress.Planned), int(r.Progress.Finished))
	// What the run is about ends with the run, with the job and with the process.
	working, cancel := context.WithCancelCause(f.site.ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(ErrHandBack) })()

	err := f.samples(working)
	state, reason := Succeeded, ""
	var fatal *fatalError
	var failed *failedError
	switch {
	case x.base.Err() != nil, ctx.Err() != nil:
		err = ErrHandBack
	case errors.Is(f.site.stopped(), errCancelled):
		state, err = Cancelled, nil
	case errors.As(f.site.stopped(), &failed):
		state, reason, err = Failed, failed.reason, nil
	case errors.As(err, &fatal):
		state, reason, err = Failed, fatal.Error(), nil
		f.site.cancel(&failedError{reason})
	}
	if err == nil && state != Succeeded {
		err = f.windDown(ctx)
	}
	if err != nil {
		x.deps.Observer.RunStopped(r.RunKey)
		return err
	}
	graders := x.checkGraders(working, r)
	if x.base.Err() != nil || ctx.Err() != nil {
		x.deps.Observer.RunStopped(r.RunKey)
		return ErrHandBack
	}
	if state == Succeeded && f.site.ctx.Err() != nil {
		// All is there, but the controls may not have been finished.
		state, graders = Cancelled, nil
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer stop()
	if err := x.end(end, r.RunKey, state, reason, graders); err != nil {
		x.deps.Observer.RunStopped(r.RunKey)
		return fmt.Errorf("end the run: %w", err)
	}
	x.deps.Observer.RunEnded(r.RunKey, state, reason, x.deps.Now().Sub(started))
	return nil
}

// samples has every sample done that the run owes. It returns nil when all have a
// row, a *fatalError when they cannot be done, ErrHandBack when the process stops,
// and what else went wrong when it is worth another try.
func (f *foreman) samples(ctx context.Context) error {
	r := f.run
	active, err := f.x.deps.Queue.Active(ctx, r.RunKey)
	if err != nil {
		return err
	}
	// A foreman before this one may have left them.
	for _, sh := range active.Shards {
		f.out[sh] = time.Time{}
	}
	if err := f.site.look(r, nil); err != nil {
		return err
	}
	if f.p, err = f.site.prepare(ctx, r); err != nil {
		return err
	}
	if r.State == Pending {
		r.State, r.StartTime = Running, f.x.deps.Now()
		var se *StateError
		if err := f.x.deps.Store.UpdateRun(ctx, r, Pending); errors.As(err, &se) {
			f.site.cancel(errCancelled)
			return err
		} else if err != nil {
			return fmt.Errorf("start: %w", err)
		}
		f.x.feed.touch(r.RunKey)
	}
	f.end = f.p.schedule.Len()
	stop, err := f.x.watchForStop(ctx, f.p)
	if err != nil {
		return fmt.Errorf("watch for the stop: %w", err)
	}
	f.p.stop.Store(stop)
	defer f.p.stop.Store(nil)
	if err := f.count(ctx, stop); err != nil {
		return err
	}
	return f.oversee(ctx, stop)
}

// oversee keeps the window full until everything is done.
func (f *foreman) oversee(ctx context.Context, stop *stopping) error {
	var decided <-chan struct{}
	if stop != nil {
		decided = stop.decided
	}
	poll := time.NewTimer(awayInterval)
	defer poll.Stop()
	for {
		moved := stop.changes()
		if stop != nil && stop.isDecided() && decided != nil {
			decided = nil
			// Controls are owed whatever was decided; what is queued of the others is not.
			f.end = f.p.schedule.Controls()
			if err := f.drop(ctx); err != nil {
				return err
			}
		}
		if err := f.fill(ctx, stop); err != nil {
			return err
		}
		if len(f.out) == 0 {
			whole, err := f.whole(ctx)
			if err != nil || whole {
				return err
			}
			continue
		}
		interval := homeInterval
		for sh := range f.out {
			if !f.site.worksOn(sh.From, sh.To) {
				interval = awayInterval
				break
			}
		}
		poll.Reset(interval)
		select {
		case <-f.bell:
			if err := f.hear(ctx, stop); err != nil {
				return err
			}
		case <-poll.C:
			if err := f.look(ctx, stop); err != nil {
				return err
			}
		case <-moved:
		case <-decided:
		case <-f.x.draining:
			return ErrHandBack
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// count reads which samples have a row, and takes those of the shards that are out.
func (f *foreman) count(ctx context.Context, stop *stopping) error {
	f.taken, f.next = newBits(f.p.schedule.Len()), 0
	err := f.x.deps.Store.EachRowIn(ctx, f.run.RunKey, 0, f.p.schedule.Len(), func(i int, r Row) error {
		f.taken.set(i)
		if stop == nil {
			return nil
		}
		return stop.finished(i, r)
	})
	if err != nil {
		return fmt.Errorf("read finished samples: %w", err)
	}
	for sh := range f.out {
		f.take(sh)
	}
	return nil
}

func (f *foreman) take(sh Shard) {
	for i := sh.From; i < min(sh.To, f.p.schedule.Len()); i++ {
		f.taken.set(i)
	}
}

// fill queues shards until the run's slots are spent or nothing may be asked now.
func (f *foreman) fill(ctx context.Context, stop *stopping) error {
	free := f.run.Concurrency
	for sh := range f.out {
		free -= sh.Slots
	}
	end, most := f.end, maxShard
	switch {
	case stop == nil:
	case stop.isDecided():
		end = min(end, f.p.schedule.Controls())
	default:
		// No more than the look-ahead before the front, in pieces that keep all busy.
		block := f.p.schedule.leastBlock(f.p.plan.SamplesPerQuery)
		window := lookAhead(f.run.Concurrency, block)
		end = min(end, f.p.schedule.Start(stop.front()+window))
		most = max(1, window*block/(2*windowShards))
	}
	share := (f.run.Concurrency + windowShards - 1) / windowShards
	var list []Shard
	for free > 0 {
		slots := min(share, free)
		sh, ok := f.cut(slots, min(most, f.size(slots)), end)
		if !ok {
			break
		}
		free -= slots
		f.made++
		list = append(list, sh)
	}
	if len(list) == 0 {
		return nil
	}
	now := f.x.deps.Now()
	for _, sh := range list {
		f.out[sh] = now
	}
	return f.x.deps.Queue.EnqueueShards(ctx, list...)
}

// size is how many samples the next shard should have.
func (f *foreman) size(slots int) int {
	n := float64(4 * slots)
	if f.rate > 0 {
		n = max(n, f.rate*shardTime.Seconds())
	}
	// In different sizes they end at different times, so that there is always one
	// with samples to begin.
	n *= 0.5 + float64(f.made%windowShards)/windowShards
	// The last ones are small, so that they end together.
	left := max(1, (f.end-f.next)/windowShards)
	return max(slots, min(int(n), maxShard, left))
}

// cut takes the next samples that are free, size of them at most and in one piece.
func (f *foreman) cut(slots, size, end int) (Shard, bool) {
	for f.next < end && f.taken.has(f.next) {
		f.next++
	}
	if f.next >= end {
		return Shard{}, false
	}
	sh := Shard{RunKey: f.run.RunKey, From: f.next, Slots: slots}
	for f.next < end && f.next-sh.From < size && !f.taken.has(f.next) {
		f.taken.set(f.next)
		f.next++
	}
	sh.To = f.next
	return sh, true
}

// hear takes in what this process told.
func (f *foreman) hear(ctx context.Context, stop *stopping) error {
	f.mu.Lock()
	news := f.news
	f.news = nil
	f.mu.Unlock()
	for _, sh := range news {
		if err := f.over(ctx, sh, stop); err != nil {
			return err
		}
	}
	return nil
}

// look asks the queue for shards that ended elsewhere, or were lost.
func (f *foreman) look(ctx context.Context, stop *stopping) error {
	active, err := f.x.deps.Queue.Active(ctx, f.run.RunKey)
	if err != nil {
		return err
	}
	there := make(map[[2]int]bool, len(active.Shards))
	for _, sh := range active.Shards {
		there[[2]int{sh.From, sh.To}] = true
	}
	for sh := range f.out {
		if !there[[2]int{sh.From, sh.To}] && !f.site.worksOn(sh.From, sh.To) {
			if err := f.over(ctx, sh, stop); err != nil {
				return err
			}
		}
	}
	return nil
}

// over takes a shard off the list, and the samples that it brought in.
func (f *foreman) over(ctx context.Context, sh Shard, stop *stopping) error {
	since, known := f.out[sh]
	if !known {
		return nil
	}
	delete(f.out, sh)
	if took := f.x.deps.Now().Sub(since).Seconds(); !since.IsZero() && took > 0 {
		rate := float64(sh.To-sh.From) / took
		if f.rate > 0 {
			rate = 0.7*f.rate + 0.3*rate
		}
		f.rate = rate
	}
	if stop == nil {
		return nil
	}
	// Those of this process were counted as they came, and are not counted twice.
	if err := f.x.deps.Store.EachRowIn(ctx, sh.RunKey, sh.From, sh.To, stop.finished); err != nil {
		return fmt.Errorf("count samples: %w", err)
	}
	return nil
}

// whole reports whether everything has a row that should. If not, what is missing
// is free to be asked for again.
func (f *foreman) whole(ctx context.Context) (bool, error) {
	r, err := f.x.deps.Store.GetRun(ctx, f.run.RunKey)
	if err != nil {
		return false, err
	}
	if int(r.Progress.Finished) == f.p.schedule.Len() {
		return true, nil
	}
	if err := f.site.look(r, nil); err != nil {
		return false, err
	}
	if err := f.count(ctx, f.p.stop.Load()); err != nil {
		return false, err
	}
	for i := range f.end {
		if !f.taken.has(i) {
			return false, nil
		}
	}
	return true, nil
}

// drop takes back what nobody works on yet, and looks at what is left.
func (f *foreman) drop(ctx context.Context) error {
	if err := f.x.deps.Queue.Drop(ctx, f.run.RunKey); err != nil {
		return err
	}
	return f.look(ctx, f.p.stop.Load())
}

// windDown waits until nobody works on the run any more: those here were told, and
// those elsewhere look at the run's state.
func (f *foreman) windDown(ctx context.Context) error {
	if err := f.x.deps.Queue.Drop(ctx, f.run.RunKey); err != nil {
		return err
	}
	tick := time.NewTicker(awayInterval)
	defer tick.Stop()
	for {
		if err := f.hear(ctx, nil); err != nil {
			return err
		}
		if err := f.look(ctx, nil); err != nil {
			return err
		}
		if len(f.out) == 0 {
			return nil
		}
		select {
		case <-f.bell:
		case <-tick.C:
		case <-f.x.base.Done():
			return ErrHandBack
		case <-ctx.Done():
			return ErrHandBack
		}
	}
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
