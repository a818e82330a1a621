package run

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// Digest returns "sha256:" and the hex digest of the plan's canonical JSON.
// Equal digests ask the same things in the same order.
func (p Plan) Digest() string {
	// A struct of plain values with a fixed field order always marshals.
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("marshal plan: %v", err))
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Schedule is the pre-registered order of a plan's samples. It is a pure
// function of the plan and the revisions it pins.
//
// A block is one query with all its repeats under every condition. Blocks of
// control queries come first, so that a dead pipeline is seen before most of
// the budget is spent; the others follow in an order given by a keyed hash of
// the query, which is uniform, and the same in every language and version. A
// scenario and its variants take their queries in one order, each of one member
// after the other, so that --queries leaves them the same ones and what changes
// in time changes for all of them.
type Schedule struct {
	scenarios []*scenario.Scenario
	refs      []ScenarioRef
	blocks    []block
	starts    []int
	total     int
	seed      uint64
}

type block struct {
	scenario int
	query    scenario.Query
	repeats  int
	key      [sha256.Size]byte
}

// NewSchedule lays out the samples of a plan. scenarios are the plan's
// scenarios in its order.
func NewSchedule(p Plan, scenarios []*scenario.Scenario) (*Schedule, error) {
	if len(scenarios) != len(p.Scenarios) {
		return nil, fmt.Errorf("schedule: %d scenarios for a plan of %d", len(scenarios), len(p.Scenarios))
	}
	s := &Schedule{scenarios: scenarios, refs: p.Scenarios, seed: p.Seed}
	var controls, queries []block
	orders := orderOf(scenarios)
	for i, sc := range scenarios {
		if sc.ID != p.Scenarios[i].ID || sc.Revision != p.Scenarios[i].Revision {
			return nil, fmt.Errorf("schedule: got scenario %s@%s where the plan pins %s@%s",
				sc.ID, sc.Revision, p.Scenarios[i].ID, p.Scenarios[i].Revision)
		}
		var own []block
		for _, q := range sc.Queries {
			b := block{scenario: i, query: q, repeats: p.SamplesPerQuery, key: hashOf("order", p.Seed, orders[sc.Family()], q.ID)}
			if q.Control {
				// One reply a condition is enough to see whether the pipeline
				// recognises compliance at all.
				b.repeats = 1
				controls = append(controls, b)
				continue
			}
			own = append(own, b)
		}
		sortBlocks(own)
		if p.MaxQueries > 0 && len(own) > p.MaxQueries {
			own = own[:p.MaxQueries]
		}
		queries = append(queries, own...)
	}
	sortBlocks(controls)
	sortBlocks(queries)
	s.blocks = slices.Concat(controls, queries)
	s.starts = make([]int, len(s.blocks))
	for i, b := range s.blocks {
		s.starts[i] = s.total
		s.total += b.repeats * len(scenarios[b.scenario].Conditions)
	}
	return s, nil
}

// orderOf returns the revision that orders the queries of each family: that of
// the base, or of the first variant where the plan has no base.
func orderOf(scenarios []*scenario.Scenario) map[string]string {
	orders := map[string]string{}
	for _, sc := range scenarios {
		if _, set := orders[sc.Family()]; !set || sc.Base == "" {
			orders[sc.Family()] = sc.Revision
		}
	}
	return orders
}

// sortBlocks keeps blocks of equal keys, which are one query under several
// prompts, in the plan's order of scenarios.
func sortBlocks(blocks []block) {
	slices.SortStableFunc(blocks, func(a, b block) int { return slices.Compare(a.key[:], b.key[:]) })
}

// Len is the number of samples.
func (s *Schedule) Len() int { return s.total }

// Queries is the number of queries, over all scenarios, that enter a gap.
func (s *Schedule) Queries() int {
	n := 0
	for _, b := range s.blocks {
		if !b.query.Control {
			n++
		}
	}
	return n
}

// Block returns the position of sample i's block among those of queries that
// enter a gap, or -1 for a sample of a control query.
func (s *Schedule) Block(i int) int {
	n := sort.Search(len(s.starts), func(n int) bool { return s.starts[n] > i }) - 1
	return max(n-(len(s.blocks)-s.Queries()), -1)
}

// Start returns the first sample of the n-th query that enters a gap, or Len if
// there are not so many.
func (s *Schedule) Start(n int) int {
	if n += len(s.blocks) - s.Queries(); n < len(s.starts) {
		return s.starts[n]
	}
	return s.total
}

// Controls is the number of samples of control queries, which come first.
func (s *Schedule) Controls() int { return s.Start(0) }

// leastBlock is the number of samples of the smallest query that enters a gap.
func (s *Schedule) leastBlock(repeats int) int {
	n := len(s.scenarios[0].Conditions)
	for _, sc := range s.scenarios {
		n = min(n, len(sc.Conditions))
	}
	return n * repeats
}

// At returns sample i of the order, 0 <= i < Len.
func (s *Schedule) At(i int) Sample {
	n := sort.Search(len(s.starts), func(n int) bool { return s.starts[n] > i }) - 1
	b := s.blocks[n]
	sc := s.scenarios[b.scenario]
	// Repeats are the outer loop, so that an interrupted block has its
	// conditions balanced.
	within := i - s.starts[n]
	condition := sc.Conditions[within%len(sc.Conditions)].ID
	repeat := within / len(sc.Conditions)
	key := hashOf("sample", s.seed, sc.Revision, condition, b.query.ID, fmt.Sprint(repeat))
	return Sample{
		ID:        strings.Join([]string{sc.ID, condition, b.query.ID, fmt.Sprint(repeat)}, "."),
		Index:     i,
		Scenario:  s.refs[b.scenario],
		Condition: condition,
		Query:     b.query.ID,
		Repeat:    repeat,
		Control:   b.query.Control,
		// 31 bits: some servers keep a seed in an unsigned 32-bit integer, and
		// others in a signed one.
		Seed: int64(binary.BigEndian.Uint32(key[:4]) >> 1),
	}
}

// Cells calls fn for each query of the schedule under each of its conditions
// with the number of planned repeats, in schedule order.
func (s *Schedule) Cells(fn func(scenario int, condition string, q scenario.Query, planned int)) {
	for _, b := range s.blocks {
		for _, c := range s.scenarios[b.scenario].Conditions {
			fn(b.scenario, c.ID, b.query, b.repeats)
		}
	}
}

// hashOf hashes a purpose, the seed and the parts, each with its length, so
// that no two lists of parts are hashed alike.
func hashOf(purpose string, seed uint64, parts ...string) [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	write := func(s string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	write("unmask " + purpose)
	binary.BigEndian.PutUint64(n[:], seed)
	h.Write(n[:])
	for _, p := range parts {
		write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
