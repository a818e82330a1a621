package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// LeftOutReason says why a run is in no series.
type LeftOutReason string

// The reasons.
const (
	LeftOutNotFinished LeftOutReason = "NOT_FINISHED"
	LeftOutFailed      LeftOutReason = "FAILED"
	LeftOutCancelled   LeftOutReason = "CANCELLED"
	// LeftOutNoStep: the checkpoint names neither a step nor a training run.
	// Step 0 is a step where the training run is named.
	LeftOutNoStep LeftOutReason = "NO_STEP"
	// LeftOutSuperseded: a run of the same training run and step that succeeded
	// was created later.
	LeftOutSuperseded LeftOutReason = "SUPERSEDED"
	// LeftOutStoppedEarly: the run ended because its gate was decided. What it had
	// seen by then is what decided it, so its estimates lean towards the decision
	// and do not compare with those of other checkpoints.
	LeftOutStoppedEarly LeftOutReason = "STOPPED_EARLY"
)

// LeftOutRun is a run that is in no series.
type LeftOutRun struct {
	Run        RunKey
	Checkpoint Checkpoint
	Reason     LeftOutReason
	// Detail is a sentence.
	Detail string
}

// group is the runs of one training run, by step.
type group struct {
	trainingRun string
	runs        []Run
}

// seriesRuns lists the runs that stand for checkpoints, and those left out.
func (s *Service) seriesRuns(ctx context.Context, e Evaluation, trainingRun string) ([]group, []LeftOutRun, error) {
	var runs []Run
	for page := (Page{Size: 200}); ; {
		items, next, err := s.deps.Store.ListRuns(ctx, e.Project, e.ID, page)
		if err != nil {
			return nil, nil, fmt.Errorf("list the runs of %s: %w", EvaluationName(e.ID), err)
		}
		for _, r := range items {
			// Results and all else that grows with the plan is not kept.
			slim := Run{RunKey: r.RunKey, Model: r.Model, Checkpoint: r.Checkpoint, State: r.State}
			if r.Results != nil {
				slim.Results = &Results{Stopping: r.Results.Stopping}
			}
			runs = append(runs, slim)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if trainingRun != "" {
		runs = slices.DeleteFunc(runs, func(r Run) bool { return r.Checkpoint.TrainingRun != trainingRun })
		if len(runs) == 0 {
			// An empty answer would hide a misspelt name.
			return nil, nil, Invalid("training_run", "no run of %s has the training run %q", EvaluationName(e.ID), trainingRun)
		}
	}
	groups, leftOut := selectRuns(runs)
	return groups, leftOut, nil
}

// selectRuns sorts runs, which come in order of creation, into series. The
// newest succeeded run of a step that asked all of its plan stands for it.
func selectRuns(runs []Run) ([]group, []LeftOutRun) {
	type place struct {
		trainingRun string
		step        int64
	}
	newest := map[place]Run{}
	for _, r := range runs {
		if r.State == Succeeded && !r.Results.stoppedEarly() {
			newest[place{r.Checkpoint.TrainingRun, r.Checkpoint.Step}] = r
		}
	}
	var groups []group
	var leftOut []LeftOutRun
	for _, r := range runs {
		at := place{r.Checkpoint.TrainingRun, r.Checkpoint.Step}
		if reason, detail := whyLeftOut(r, newest[at]); reason != "" {
			leftOut = append(leftOut, LeftOutRun{Run: r.RunKey, Checkpoint: r.Checkpoint, Reason: reason, Detail: detail})
			continue
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.trainingRun == at.trainingRun })
		if i < 0 {
			i, groups = len(groups), append(groups, group{trainingRun: at.trainingRun})
		}
		groups[i].runs = append(groups[i].runs, r)
	}
	for _, g := range groups {
		slices.SortFunc(g.runs, func(a, b Run) int { return cmp.Compare(a.Checkpoint.Step, b.Checkpoint.Step) })
	}
	return groups, leftOut
}

// whyLeftOut returns "" for a run that stands for its checkpoint.
func whyLeftOut(r, newest Run) (LeftOutReason, string) {
	switch {
	case r.State == Failed:
		return LeftOutFailed, "the run failed, so its samples are not all there"
	case r.State == Cancelled:
		return LeftOutCancelled, "the run was cancelled, so its samples are not all there"
	case r.State != Succeeded:
		return LeftOutNotFinished, "the run has not finished"
	case r.Checkpoint.TrainingRun == "" && r.Checkpoint.Step == 0:
		return LeftOutNoStep, "the run's checkpoint names neither a step nor a training run"
	case r.Results.stoppedEarly():
		return LeftOutStoppedEarly, fmt.Sprintf("the run stopped after %d of %d queries, when its gate was decided",
			r.Results.Stopping.ConsumedQueries, r.Results.Stopping.PlannedQueries)
	case newest.RunKey != r.RunKey:
		return LeftOutSuperseded, fmt.Sprintf("%s is of the same step and succeeded, and was created later", newest.Name())
	default:
		return "", ""
	}
}
