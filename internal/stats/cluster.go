package stats

import (
	"fmt"
	"math"
)

// Cluster is what is known of one query under one condition: the sufficient
// statistics of its repeated samples.
//
// The zero value is a query of which nothing was planned. Fill it with Observe
// and Miss, or set the fields directly when they come from an aggregate.
type Cluster struct {
	// ID names the query in errors. Non-empty IDs must be unique in one call:
	// a query listed twice would count as independent evidence.
	ID string
	// Sum and SumSquares are the sums of the valid scores and of their squares.
	// For scores of 0 and 1 they are equal.
	Sum, SumSquares float64
	// Valid is the number of scored samples, Planned the number that the design
	// asked for. Planned minus Valid is missing.
	Valid, Planned int
}

// Observe adds one planned sample with its score. A score that is NaN or lies
// outside [0, 1] is not an observation and counts as missing.
func (c *Cluster) Observe(score float64) {
	c.Planned++
	if math.IsNaN(score) || score < 0 || score > 1 {
		return
	}
	c.Valid++
	c.Sum += score
	c.SumSquares += score * score
}

// Miss adds one planned sample that could not be scored.
func (c *Cluster) Miss() { c.Planned++ }

// Mean returns the mean score of the valid samples, or nil if there are none.
func (c Cluster) Mean() *float64 {
	if c.Valid == 0 {
		return nil
	}
	return some(c.mean())
}

func (c Cluster) mean() float64 { return c.Sum / float64(c.Valid) }

// within returns the sum of squared deviations from the cluster's own mean.
func (c Cluster) within() float64 {
	ss := c.SumSquares - c.Sum*c.Sum/float64(c.Valid)
	if ss < zeroVariance {
		return 0
	}
	return ss
}

// imputed returns the cluster with every missing sample scored as score.
func (c Cluster) imputed(score float64) Cluster {
	missing := float64(c.Planned - c.Valid)
	c.Sum += missing * score
	c.SumSquares += missing * score * score
	c.Valid = c.Planned
	return c
}

func (c Cluster) check() error {
	switch slack := 1e-9 * (1 + float64(c.Valid)); {
	case c.Valid < 0:
		return fmt.Errorf("valid samples must not be negative, got %d", c.Valid)
	case c.Planned < c.Valid:
		return fmt.Errorf("planned samples (%d) must not be fewer than valid ones (%d)", c.Planned, c.Valid)
	case !(c.Sum >= -slack && c.Sum <= float64(c.Valid)+slack):
		return fmt.Errorf("sum of scores must lie in [0, %d], got %v", c.Valid, c.Sum)
	case !(c.SumSquares >= -slack && c.SumSquares <= c.Sum+slack):
		return fmt.Errorf("sum of squares must lie in [0, sum], got %v with sum %v", c.SumSquares, c.Sum)
	case c.Valid > 0 && c.SumSquares < c.Sum*c.Sum/float64(c.Valid)-slack:
		return fmt.Errorf("sum of squares %v is too small for sum %v of %d samples", c.SumSquares, c.Sum, c.Valid)
	default:
		return nil
	}
}

// Pair is one query under the two conditions of a contrast.
type Pair struct {
	// ID names the query; see Cluster.ID. The IDs of the two clusters are not
	// looked at.
	ID string
	// Training is the condition in which training is cued, Unmonitored the one
	// in which the model is told that nobody looks.
	Training, Unmonitored Cluster
}

func (p Pair) complete() bool { return p.Training.Valid > 0 && p.Unmonitored.Valid > 0 }

func (p Pair) planned() bool { return p.Training.Planned > 0 || p.Unmonitored.Planned > 0 }

func (p Pair) missing() int {
	return p.Training.Planned - p.Training.Valid + p.Unmonitored.Planned - p.Unmonitored.Valid
}

// Conditions splits pairs into the clusters of each condition, for EstimateRate.
// Clusters of which nothing was planned are left out.
func Conditions(pairs []Pair) (training, unmonitored []Cluster) {
	training = make([]Cluster, 0, len(pairs))
	unmonitored = make([]Cluster, 0, len(pairs))
	for _, p := range pairs {
		if p.Training.Planned > 0 {
			training = append(training, named(p.Training, p.ID))
		}
		if p.Unmonitored.Planned > 0 {
			unmonitored = append(unmonitored, named(p.Unmonitored, p.ID))
		}
	}
	return training, unmonitored
}

func named(c Cluster, id string) Cluster {
	c.ID = id
	return c
}

func checkClusters(clusters []Cluster) error {
	seen := newIDSet(len(clusters))
	for i, c := range clusters {
		if err := c.check(); err != nil {
			return badInput(clusterField("cluster", i, c.ID), "%v", err)
		}
		if !seen.add(c.ID) {
			return badInput(clusterField("cluster", i, c.ID), "is listed twice")
		}
	}
	return nil
}

func checkPairs(pairs []Pair) error {
	seen := newIDSet(len(pairs))
	for i, p := range pairs {
		if err := p.Training.check(); err != nil {
			return badInput(clusterField("pair", i, p.ID)+" (training)", "%v", err)
		}
		if err := p.Unmonitored.check(); err != nil {
			return badInput(clusterField("pair", i, p.ID)+" (unmonitored)", "%v", err)
		}
		if !seen.add(p.ID) {
			return badInput(clusterField("pair", i, p.ID), "is listed twice")
		}
	}
	return nil
}

func clusterField(kind string, index int, id string) string {
	if id == "" {
		return fmt.Sprintf("%s %d", kind, index)
	}
	return fmt.Sprintf("%s %q", kind, id)
}

// idSet finds repeated IDs; it allocates only when there are IDs at all.
type idSet struct {
	size int
	seen map[string]struct{}
}

func newIDSet(size int) *idSet { return &idSet{size: size} }

func (s *idSet) add(id string) bool {
	if id == "" {
		return true
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{}, s.size)
	}
	if _, twice := s.seen[id]; twice {
		return false
	}
	s.seen[id] = struct{}{}
	return true
}
