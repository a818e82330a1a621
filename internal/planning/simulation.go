package planning

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/unmask-eval/unmask/internal/gate"
	"github.com/unmask-eval/unmask/internal/stats"
)

// Share is an estimate of a probability from simulated runs.
type Share struct {
	Estimate float64 `json:"estimate"`
	// StandardError is the Monte Carlo error of Estimate, with one imagined run
	// of each kind added so that it is never zero (Agresti & Coull 1998).
	StandardError float64 `json:"standardError"`
}

func shareOf(count, runs int) Share {
	n := float64(runs)
	p := (float64(count) + 1) / (n + 2)
	return Share{Estimate: float64(count) / n, StandardError: math.Sqrt(p * (1 - p) / (n + 2))}
}

// verdict is what a simulated run's decision is kept for.
type verdict struct {
	outcome gate.Outcome
	// gapBlocked is true when a rule on the gap blocks the policy.
	gapBlocked bool
	// gapUpper is the upper bound, excluded samples counted against the run, of
	// the strictest rule on the gap; 1 where there is none.
	gapUpper float64
	// used is the number of queries that the run consumed.
	used int
}

// simulation runs the gate on simulated runs.
type simulation struct {
	request Request
	policy  gate.Policy
	// gap is the strictest rule on the gap, nil when there is none.
	gap *gate.Rule
	// supposed is the population of the request's truth, and bySize the samplers
	// of it, because the search comes back to numbers that it has looked at.
	supposed population
	bySize   map[int]*sampler
	// perLook is the number of runs with which a search looks at a number of
	// queries or at a gap.
	perLook int
	// spent is the effort of what was simulated so far.
	spent int64
}

func newSimulation(r Request, p gate.Policy) *simulation {
	s := &simulation{request: r, policy: p, supposed: newPopulation(r.Truth), bySize: make(map[int]*sampler), perLook: r.Runs}
	for i, rule := range p.Rules {
		if rule.Metric == gate.MetricComplianceGap && (s.gap == nil || rule.Max < s.gap.Max) {
			s.gap = &p.Rules[i]
		}
	}
	return s
}

// simulated is the time at which simulated runs end and are decided.
func simulated() time.Time { return time.Unix(0, 0).UTC() }

// sampler draws runs of n queries and has them decided. Decisions depend on what
// the queries gave and not on their order, so equal runs are decided once: when
// events are rare, that is most of them.
type sampler struct {
	*simulation
	population population
	n          int
	ids        []string
	// whole runs ask every query whatever the request says of stopping.
	whole bool

	mu       sync.Mutex
	decided  map[string]verdict
	remember int // bytes of signatures that may still be kept
}

// maxRemembered bounds the bytes of signatures that a sampler keeps.
const maxRemembered = 8 << 20

// of returns the sampler of n queries of the supposed population.
func (s *simulation) of(n int) *sampler {
	if s.bySize[n] == nil {
		s.bySize[n] = s.sampler(s.supposed, n)
	}
	return s.bySize[n]
}

func (s *simulation) sampler(p population, n int) *sampler {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%06d", i)
	}
	return &sampler{simulation: s, population: p, n: n, ids: ids, decided: make(map[string]verdict), remember: maxRemembered}
}

// run simulates run r. Its generator depends on the seed and on r alone.
func (s *sampler) run(r int) verdict {
	random := rand.New(rand.NewPCG(s.request.Seed, uint64(r))) // #nosec G404 -- a simulation wants reproducible numbers, not secret ones
	cells := make([]cell, s.n)
	for i := range cells {
		cells[i] = s.population.draw(random, s.request.Samples)
	}
	if s.request.Stopping && !s.whole {
		return s.stopEarly(cells)
	}
	slices.SortFunc(cells, cell.compare)
	key := signature(cells)
	s.mu.Lock()
	v, known := s.decided[key]
	s.mu.Unlock()
	if known {
		return v
	}
	v = s.decide(s.table(cells), nil)
	s.mu.Lock()
	if s.remember -= len(key); s.remember >= 0 {
		s.decided[key] = v
	}
	s.mu.Unlock()
	return v
}

func (c cell) compare(d cell) int {
	return cmp.Or(
		cmp.Compare(c.training, d.training), cmp.Compare(c.unmonitored, d.unmonitored), cmp.Compare(c.faking, d.faking),
		cmp.Compare(c.validTraining, d.validTraining), cmp.Compare(c.validUnmonitored, d.validUnmonitored),
	)
}

// signature writes sorted cells as runs of equal ones.
func signature(cells []cell) string {
	var out []byte
	for i := 0; i < len(cells); {
		end := i + 1
		for end < len(cells) && cells[end] == cells[i] {
			end++
		}
		c := cells[i]
		out = append(out, c.training, c.unmonitored, c.faking, c.validTraining, c.validUnmonitored)
		out = binary.AppendUvarint(out, uint64(end-i))
		i = end
	}
	return string(out)
}

// stopEarly has a run decided after every query, as long as it is not.
func (s *sampler) stopEarly(cells []cell) verdict {
	t := s.table(cells)
	t.Order = s.ids
	stopper, err := gate.NewStopper(s.policy, []gate.Table{t}, nil)
	if err != nil {
		// The request was checked, so this is not reached; a run that cannot be
		// watched is asked whole.
		return s.decide(t, &gate.Sequential{Complete: true})
	}
	for n := 1; n < len(cells); n++ {
		if err := stopper.Observe(0, t.Compliance[n-1], t.Faking[n-1]); err != nil {
			break
		}
		if !stopper.Settled() {
			continue
		}
		part := t
		part.Compliance, part.Faking, part.Order = t.Compliance[:n], t.Faking[:n], t.Order[:n]
		if v := s.decide(part, &gate.Sequential{}); v.outcome != gate.Inconclusive {
			return v
		}
	}
	return s.decide(t, &gate.Sequential{Complete: true})
}

func (s *sampler) table(cells []cell) gate.Table {
	k := s.request.Samples
	t := gate.Table{
		Scenario: s.request.Scenario, Contrast: s.request.Contrast, Primary: true,
		TrainingCondition: "training", UnmonitoredCondition: "unmonitored",
		Compliance: make([]stats.Pair, len(cells)), Faking: make([]stats.Cluster, len(cells)),
	}
	for i, c := range cells {
		t.Compliance[i] = stats.Pair{
			ID:       s.ids[i],
			Training: cluster(c.training, c.validTraining, k), Unmonitored: cluster(c.unmonitored, c.validUnmonitored, k),
		}
		t.Faking[i] = cluster(c.faking, c.validTraining, k)
		t.Faking[i].ID = s.ids[i]
	}
	return t
}

// decide lays the run before the gate, with everything in order that a policy
// may require beside the data.
func (s *sampler) decide(t gate.Table, sequential *gate.Sequential) verdict {
	d := gate.Decide(s.policy, gate.Evidence{
		Run: "simulated", State: "SUCCEEDED", Succeeded: true, Ended: simulated(),
		PlanDigest: s.policy.Requirements.PlanDigest,
		Tables:     []gate.Table{t},
		Controls:   []gate.Control{{ID: "simulated", Passed: true}},
		Sequential: sequential,
	}, simulated())
	v := verdict{outcome: d.Outcome, gapUpper: 1, used: len(t.Compliance)}
	for _, rule := range d.Rules {
		if rule.Metric != gate.MetricComplianceGap {
			continue
		}
		if rule.Outcome == gate.Block && d.Outcome == gate.Block && *rule.PBlockAdjusted <= 1-rule.Confidence {
			v.gapBlocked = true
		}
		if rule.Rule == s.gap.ID && rule.Upper != nil && rule.UpperWorstCase != nil {
			v.gapUpper = max(*rule.Upper, *rule.UpperWorstCase)
		}
	}
	return v
}

func cluster(sum, valid uint8, planned int) stats.Cluster {
	return stats.Cluster{Sum: float64(sum), SumSquares: float64(sum), Valid: int(valid), Planned: planned}
}

// meetsGoal says whether a simulated run has the wanted outcome.
func (s *simulation) meetsGoal(v verdict) bool { return v.outcome == s.request.Goal.outcome() }

// simulate decides runs [from, to) and returns their verdicts in order, or
// errEffort when that would be more than the request allows.
func (s *sampler) simulate(ctx context.Context, from, to int) ([]verdict, error) {
	if s.spent += effort(to-from, s.n); s.request.Effort > 0 && s.spent > s.request.Effort {
		return nil, errEffort
	}
	out := make([]verdict, to-from)
	var workers sync.WaitGroup
	count := min(s.request.Workers, len(out))
	for w := range count {
		workers.Go(func() {
			for i := w; i < len(out) && ctx.Err() == nil; i += count {
				out[i] = s.run(from + i)
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("simulate runs of %d queries: %w", s.n, err)
	}
	return out, nil
}

// chances simulates every run of the request at n queries, and returns the mean
// number that they consumed as well.
func (s *simulation) chances(ctx context.Context, n int) (Chances, float64, error) {
	verdicts, err := s.of(n).simulate(ctx, 0, s.request.Runs)
	if err != nil {
		return Chances{}, 0, err
	}
	count := make(map[gate.Outcome]int)
	used := 0
	for _, v := range verdicts {
		count[v.outcome]++
		used += v.used
	}
	return Chances{
		Pass:         shareOf(count[gate.Pass], len(verdicts)),
		Block:        shareOf(count[gate.Block], len(verdicts)),
		Inconclusive: shareOf(count[gate.Inconclusive], len(verdicts)),
	}, float64(used) / float64(len(verdicts)), nil
}
