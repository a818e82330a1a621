package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

// list is one of the store's lists. prepare makes what it needs; add adds the
// item at a place of the order, whatever was added before; page returns names
// of items.
type list struct {
	name    string
	prepare func(f *fixture)
	add     func(f *fixture, place int) (name string)
	page    func(f *fixture, p run.Page) ([]string, string, error)
}

// name and moment put items in an order: three at a time share a creation
// time, so that the id decides.
func name(place int) string { return fmt.Sprintf("item-%04d", place) }

func moment(place int) int { return place / 3 }

func lists() []list {
	return []list{
		{"evaluations", nothing, func(f *fixture, place int) string {
			e := f.evaluation(name(place))
			e.CreateTime = at(moment(place))
			f.create(e)
			return e.ID
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListEvaluations(f.ctx, f.project, p)
			return names(items, func(e run.Evaluation) string { return e.ID }), next, err
		}},
		{"runs of an evaluation", twoEvaluations, addRun, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListRuns(f.ctx, f.project, "e", p)
			return names(items, func(r run.Run) string { return r.Run }), next, err
		}},
		{"runs of all evaluations", twoEvaluations, func(f *fixture, place int) string {
			r := f.newRun([]string{"e", "e2"}[place%2], name(place))
			r.CreateTime = at(moment(place))
			_, err := f.store.CreateRun(f.ctx, r)
			f.ok(err)
			return r.Run
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListRuns(f.ctx, f.project, "-", p)
			return names(items, func(r run.Run) string { return r.Run }), next, err
		}},
		{"transcripts", prepareRun, addSample, pageOfTranscripts(false)},
		{"transcripts in full", prepareRun, addSample, pageOfTranscripts(true)},
		{"verdicts of a run", prepareRun, func(f *fixture, place int) string {
			sample := reply(f.key("e", "r"), 1000-place)
			sample.Verdict.ID, sample.Verdict.CreateTime = name(place), at(moment(place))
			f.save(f.key("e", "r"), sample)
			return sample.Verdict.ID
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListVerdicts(f.ctx, f.key("e", "r"), "-", p)
			return names(items, func(v run.Verdict) string { return v.ID }), next, err
		}},
		{"verdicts of people", prepareRun, func(f *fixture, place int) string {
			key := f.key("e", "r")
			f.save(key, reply(key, 1000-place))
			v := opinion(key, 1000-place, name(place))
			v.CreateTime = at(moment(place))
			_, err := f.store.CreateVerdict(f.ctx, v)
			f.ok(err)
			return v.ID
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListHumanVerdicts(f.ctx, f.key("e", "r"), p)
			return names(items, func(v run.Verdict) string { return v.ID }), next, err
		}},
		{"label sets", nothing, func(f *fixture, place int) string {
			l := f.labelSet(name(place))
			l.CreateTime = at(moment(place))
			f.keepLabels(l)
			return l.ID
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListLabelSets(f.ctx, f.project, p)
			return names(items, func(l run.LabelSet) string { return l.ID }), next, err
		}},
		{"calibrations of a grader", nothing, addCalibration, pageOfCalibrations("rubric")},
		{"calibrations of all graders", nothing, addCalibration, pageOfCalibrations("-")},
		{"gates", nothing, func(f *fixture, place int) string {
			g := f.gate(name(place))
			g.CreateTime = at(moment(place))
			_, err := f.store.CreateGate(f.ctx, g)
			f.ok(err)
			return g.ID
		}, func(f *fixture, p run.Page) ([]string, string, error) {
			items, next, err := f.store.ListGates(f.ctx, f.project, p)
			return names(items, func(g run.Gate) string { return g.ID }), next, err
		}},
		{"decisions of a gate", nothing, addDecision("g", "r"), pageOfDecisions("g", "")},
		{"decisions of all gates", nothing, addDecision("g", "r"), pageOfDecisions("*", "")},
		{"decisions of a gate on a run", nothing, addDecision("g", "r"), pageOfDecisions("g", "r")},
		{"decisions on a run", nothing, addDecision("-", "r"), pageOfDecisions("*", "r")},
	}
}

func nothing(*fixture) {}

func prepareRun(f *fixture) { f.withRun() }

func twoEvaluations(f *fixture) {
	f.create(f.evaluation("e"))
	f.create(f.evaluation("e2"))
}

func addRun(f *fixture, place int) string {
	r := f.newRun("e", name(place))
	r.CreateTime = at(moment(place))
	_, err := f.store.CreateRun(f.ctx, r)
	f.ok(err)
	return r.Run
}

func addSample(f *fixture, place int) string {
	key := f.key("e", "r")
	sample := reply(key, place)
	// Ids and times say nothing about the order of transcripts.
	sample.Transcript.ID = fmt.Sprintf("sample-%04d", 5000-place)
	sample.Transcript.CreateTime = at(-place)
	sample.Verdict = nil
	f.save(key, sample)
	return sample.Transcript.ID
}

func pageOfTranscripts(full bool) func(f *fixture, p run.Page) ([]string, string, error) {
	return func(f *fixture, p run.Page) ([]string, string, error) {
		items, next, err := f.store.ListTranscripts(f.ctx, f.key("e", "r"), run.TranscriptFilter{}, full, p)
		return names(items, func(t run.Transcript) string { return t.ID }), next, err
	}
}

func addCalibration(f *fixture, place int) string {
	c := f.calibration("rubric", name(place))
	c.CreateTime = at(moment(place))
	f.ok(f.store.SaveCalibration(f.ctx, c))
	return c.ID
}

func pageOfCalibrations(grader string) func(f *fixture, p run.Page) ([]string, string, error) {
	return func(f *fixture, p run.Page) ([]string, string, error) {
		items, next, err := f.store.ListCalibrations(f.ctx, f.project, grader, p)
		return names(items, func(c run.Calibration) string { return c.ID }), next, err
	}
}

func addDecision(gate, of string) func(f *fixture, place int) string {
	return func(f *fixture, place int) string {
		d := run.Decision{Project: f.project, Gate: gate, ID: name(place), Run: f.key("e", of), CreateTime: at(moment(place))}
		f.ok(f.store.SaveDecision(f.ctx, d))
		return d.ID
	}
}

func pageOfDecisions(gate, of string) func(f *fixture, p run.Page) ([]string, string, error) {
	return func(f *fixture, p run.Page) ([]string, string, error) {
		var key *run.RunKey
		if of != "" {
			key = ptr(f.key("e", of))
		}
		items, next, err := f.store.ListDecisions(f.ctx, f.project, gate, key, p)
		return names(items, func(d run.Decision) string { return d.ID }), next, err
	}
}

func names[T any](items []T, name func(T) string) []string {
	var out []string
	for _, item := range items {
		out = append(out, name(item))
	}
	return out
}

func listTests() []test {
	var tests []test
	for _, l := range lists() {
		tests = append(tests,
			test{l.name + ": every page size gives the same order", func(f *fixture) { everyPageSize(f, l) }},
			test{l.name + ": nothing is lost or doubled while items are added", func(f *fixture) { pagingWhileAdding(f, l) }},
			test{l.name + ": a cursor that was not issued", func(f *fixture) { cursorsNotIssued(f, l) }},
		)
	}
	return append(tests, test{"a cursor of another list", cursorsOfOtherLists})
}

func everyPageSize(f *fixture, l list) {
	l.prepare(f)
	items, next, err := l.page(f, run.Page{Size: 5})
	f.ok(err)
	require.Empty(f, items)
	require.Empty(f, next)
	const n = 12
	want := make([]string, n)
	for _, place := range rand.New(rand.NewPCG(3, 4)).Perm(n) {
		want[place] = l.add(f, place)
	}
	for _, size := range []int{1, 2, 5, n - 1, n, n + 1, 1000} {
		got := all(f, size, func(p run.Page) ([]string, string, error) { return l.page(f, p) })
		require.Equal(f, want, got, "pages of %d", size)
	}
	items, next, err = l.page(f, run.Page{Size: n})
	f.ok(err)
	require.Len(f, items, n)
	require.Empty(f, next, "a last page that is full has no next")
}

func pagingWhileAdding(f *fixture, l list) {
	l.prepare(f)
	const n = 6
	var want []string
	for i := range n {
		want = append(want, l.add(f, 10+2*i))
	}
	added := []int{0, 11, 15, 21, 90}
	var got []string
	var after string
	for page := 0; ; page++ {
		items, next, err := l.page(f, run.Page{Size: 2, After: after})
		f.ok(err)
		got = append(got, items...)
		if next == "" {
			break
		}
		after = next
		if page < len(added) {
			l.add(f, added[page])
		}
	}
	seen := map[string]int{}
	var before []string
	for _, item := range got {
		seen[item]++
		require.Equal(f, 1, seen[item], "%s came twice", item)
		for _, w := range want {
			if w == item {
				before = append(before, item)
			}
		}
	}
	require.Equal(f, want, before, "what was there at the beginning comes once and in order")
}

func cursorsNotIssued(f *fixture, l list) {
	l.prepare(f)
	for i := range 3 {
		l.add(f, i)
	}
	_, next, err := l.page(f, run.Page{Size: 1})
	f.ok(err)
	require.NotEmpty(f, next)
	flipped := []byte(next)
	flipped[len(flipped)/2] ^= 1
	for _, cursor := range []string{
		"x", "0", "bm90IGEgY3Vyc29y", next + "A", next[:len(next)-1], strings.ToUpper(next) + "-", string(flipped), "\x00", "\xff", strings.Repeat("A", 10_000),
	} {
		_, _, err := l.page(f, run.Page{Size: 1, After: cursor})
		f.badToken(err)
	}
}

func cursorsOfOtherLists(f *fixture) {
	cursors := map[string]string{}
	f.create(f.evaluation("e"))
	f.create(f.evaluation("e2"))
	f.start("e", "r")
	for _, l := range lists() {
		if l.name == "transcripts in full" || l.name == "runs of all evaluations" || strings.HasPrefix(l.name, "decisions of a") {
			continue // the same items as another list here
		}
		for i := range 3 {
			l.add(f, 20*len(cursors)+i)
		}
		_, next, err := l.page(f, run.Page{Size: 1})
		f.ok(err)
		require.NotEmpty(f, next)
		cursors[l.name] = next
	}
	for _, l := range lists() {
		for from, cursor := range cursors {
			if from == l.name || strings.HasPrefix(l.name, from) {
				continue
			}
			_, _, err := l.page(f, run.Page{Size: 1, After: cursor})
			f.badToken(err)
		}
	}
}
