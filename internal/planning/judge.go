package planning

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// overhead is what deciding a simulated run costs whatever its size, in queries.
const overhead = 500

// Judge searches with a share of the runs, but at least a batch, and takes about
// this many looks.
const (
	searchShare = 4
	looks       = 20
)

// errEffort says that a simulation would be more work than its request allows.
var errEffort = errors.New("the simulation takes more effort than the request allows")

// effort is what a number of simulated runs of so many queries cost.
func effort(runs, queries int) int64 { return int64(runs) * int64(overhead+queries) }

// MostRuns returns the most runs of so many queries that an effort pays for once.
// A unit of effort is a query of a decided run; every run costs 500 more. On one
// processor core 1e6 are one to two seconds.
func MostRuns(effort int64, queries int) int { return int(effort / int64(overhead+queries)) }

// RunsToJudge returns about how many runs, up to four batches, Judge can take
// within an effort: every run twice, and a batch for each look.
func RunsToJudge(effort int64, queries int) int { return (MostRuns(effort, queries) - looks*batch) / 2 }

// Judgement is what a plan can show, and what it lacks.
type Judgement struct {
	// Forecast is that of the plan's number of queries.
	Forecast
	// Needed is the smallest number of queries with which the goal is reached with
	// the power; nil when none was found, and then a note says why.
	Needed *int
	// DetectableUnknown is true when Detectable was not worked out in full; what it
	// lacks then says nothing.
	DetectableUnknown bool
}

// Judge answers a request for Request.Queries, at least 1, and looks for the
// number that would be needed. Within Request.Effort it finds the chances, then
// what is detectable, then the needed number; what the effort does not pay for is
// left out with a note. The result depends on the seed and the number of runs,
// and not on the time that anything takes.
//
// The searches, for a gap and for a number of queries, look with a quarter of the
// runs, at least 100. With 100 the power is known to 3 points where it is 90%, and
// a number of queries so to about a tenth.
//
// The error is that of Make; an effort that does not pay for the chances is an
// *InputError on the field "runs".
func Judge(ctx context.Context, r Request) (Judgement, error) {
	if r.Queries < 1 {
		return Judgement{}, badInput("queries", "must be at least 1, got %d", r.Queries)
	}
	s, f, err := prepare(r)
	if err != nil {
		return Judgement{}, err
	}
	j := Judgement{Forecast: f}
	switch j.Chances, j.ExpectedQueries, err = s.chances(ctx, r.Queries); {
	case errors.Is(err, errEffort):
		return Judgement{}, badInput("runs", "must be at most %d for %d queries, got %d", MostRuns(r.Effort, r.Queries), r.Queries, r.Runs)
	case err != nil:
		return Judgement{}, err
	}
	j.Reached = j.Chances.Of(r.Goal).Estimate >= r.Power
	j.Cost = r.Usage.Of(r.Queries, r.Samples)
	j.ExpectedCost = r.Usage.Of(int(math.Ceil(j.ExpectedQueries)), r.Samples)
	s.perLook = min(max(r.Runs/searchShare, batch), r.Runs)
	switch j.Detectable, err = s.detectable(ctx, r.Queries); {
	case errors.Is(err, errEffort):
		j.DetectableUnknown = true
		j.Notes = append(j.Notes, "what is detectable was not worked out in full: that takes more effort than a forecast may; unmask plan does it")
	case err != nil:
		return Judgement{}, err
	}
	if err := s.needed(ctx, &j); err != nil {
		return Judgement{}, err
	}
	return j, nil
}

// needed finds the number of queries that reaches the goal, or notes why not.
func (s *simulation) needed(ctx context.Context, j *Judgement) error {
	if err := s.request.attainable(j.Rules); err != nil {
		var bad *InputError
		if errors.As(err, &bad) {
			j.Notes = append(j.Notes, bad.Problem)
			return nil
		}
		return err
	}
	j.Start = s.request.start(s.policy, j.Rules)
	found, reached, err := s.smallest(ctx, j.Start, s.meetsGoal)
	switch {
	case errors.Is(err, errEffort):
		j.Notes = append(j.Notes, "the number of queries that the goal needs was not found: that takes more effort than a forecast may; unmask plan finds it")
	case err != nil:
		return err
	case !reached:
		j.Notes = append(j.Notes, fmt.Sprintf("no number of queries up to %d reaches the power", s.request.MaxQueries))
	default:
		j.Needed = &found
	}
	return nil
}
