package run

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TextsRemoved is the State in a *StateError about a run whose texts were removed.
const TextsRemoved = "TEXTS_REMOVED"

// EndedRun is a run that retention may be about.
type EndedRun struct {
	RunKey
	EndTime time.Time
	// TextsRemoved says that its texts are gone, or going.
	TextsRemoved bool
}

// Retention says how long what runs leave is kept after their end; 0 is for ever.
// Results, verdicts and the other rows of a run whose texts have gone stay until the
// run itself goes; decisions, their evidence and calibrations stay in any case.
type Retention struct {
	Transcripts, Runs time.Duration
}

// Prune says what to remove: of runs that ended before a time, their texts or all of
// them. The zero time removes nothing.
type Prune struct {
	TextsBefore, RunsBefore time.Time
	// DryRun counts and removes nothing.
	DryRun bool
}

// Pruned counts what was removed, or would be.
type Pruned struct {
	// Runs were removed as a whole, and TextsOfRuns lost their texts.
	Runs        int64 `json:"runs"`
	TextsOfRuns int64 `json:"textsOfRuns"`
	// Transcripts are those whose texts went, of both, with their stored bytes.
	Transcripts int64 `json:"transcripts"`
	Bytes       int64 `json:"bytes"`
}

const (
	// retentionInterval is how often a server looks for what is too old.
	retentionInterval = time.Hour
	// retentionPage is how many runs are looked up at a time.
	retentionPage = 100
)

// Prune removes what is too old, run by run and in small steps, so that runs in
// progress, which it never touches, are kept on. When it ends early, what it removed
// is in the count and the rest is for the next time.
func (s *Service) Prune(ctx context.Context, in Prune) (Pruned, error) {
	var out Pruned
	if !in.RunsBefore.IsZero() {
		if err := s.eachEnded(ctx, in.RunsBefore, false, func(e EndedRun) error { return s.pruneRun(ctx, e, in.DryRun, &out) }); err != nil {
			return out, fmt.Errorf("remove old runs: %w", err)
		}
	}
	if !in.TextsBefore.IsZero() {
		if err := s.eachEnded(ctx, in.TextsBefore, true, func(e EndedRun) error {
			if in.DryRun && e.EndTime.Before(in.RunsBefore) {
				return nil // counted above
			}
			return s.pruneTexts(ctx, e, in.DryRun, &out, &out.TextsOfRuns)
		}); err != nil {
			return out, fmt.Errorf("remove old texts: %w", err)
		}
	}
	return out, nil
}

// eachEnded calls fn with every run that ended before a time. One that has gone
// meanwhile, as another process prunes too, is passed over.
func (s *Service) eachEnded(ctx context.Context, before time.Time, withTexts bool, fn func(EndedRun) error) error {
	for after := (RunKey{}); ; {
		page, err := s.deps.Store.EndedRuns(ctx, before, withTexts, after, retentionPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil && !isNotFound(err) {
				return err
			}
		}
		if len(page) < retentionPage {
			return nil
		}
		after = page[len(page)-1].RunKey
	}
}

// pruneTexts removes the texts of a run and counts it in runs.
func (s *Service) pruneTexts(ctx context.Context, e EndedRun, dry bool, out *Pruned, runs *int64) error {
	transcripts, bytes, err := s.deps.Store.TextsOf(ctx, e.RunKey)
	if err != nil {
		return err
	}
	if !dry {
		if err := s.deps.Store.RemoveTexts(ctx, e.RunKey); err != nil {
			return err
		}
	}
	*runs++
	out.Transcripts += transcripts
	out.Bytes += bytes
	return nil
}

// pruneRun removes a run. Its texts, which are most of it, go in small steps before.
func (s *Service) pruneRun(ctx context.Context, e EndedRun, dry bool, out *Pruned) error {
	if err := s.pruneTexts(ctx, e, dry, out, new(int64)); err != nil {
		return err
	}
	if !dry {
		if err := s.deps.Store.DeleteRun(ctx, e.RunKey); err != nil {
			return err
		}
	}
	out.Runs++
	return nil
}

// retain applies the policy now and every retentionInterval, until the service closes.
func (s *Service) retain() {
	policy := s.deps.Retention
	if policy == (Retention{}) {
		return
	}
	s.exec.wg.Go(func() {
		ctx, stop := context.WithCancel(s.exec.base)
		defer stop()
		go func() {
			select {
			case <-s.exec.draining:
			case <-ctx.Done():
			}
			stop()
		}()
		tick := time.NewTicker(retentionInterval)
		defer tick.Stop()
		for {
			s.applyRetention(ctx, policy)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

func (s *Service) applyRetention(ctx context.Context, policy Retention) {
	var in Prune
	now := s.deps.Now()
	if policy.Transcripts > 0 {
		in.TextsBefore = now.Add(-policy.Transcripts)
	}
	if policy.Runs > 0 {
		in.RunsBefore = now.Add(-policy.Runs)
	}
	out, err := s.Prune(ctx, in)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // stopped on the way
	}
	s.deps.Observer.Pruned(out, err)
}
