package storetest

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
)

// raceTests set calls against each other that look first and write then: what was
// looked at may have changed in between.
func raceTests() []test {
	return []test{
		{"of many that create one name, one does", oneCreatorWins},
		{"an evaluation is deleted, or has runs", func(f *fixture) {
			for round := range 8 {
				id := fmt.Sprint("e", round)
				f.create(f.evaluation(id))
				var deleted, created atomic.Int64
				parallel(f, 5, func(i int) error {
					if i == 0 {
						return tally(&deleted, f.store.DeleteEvaluation(f.ctx, f.project, id))
					}
					_, err := f.store.CreateRun(f.ctx, f.newRun(id, fmt.Sprint("r", i)))
					return tally(&created, err)
				})
				runs, _, err := f.store.ListRuns(f.ctx, f.project, "-", run.Page{Size: 100})
				f.ok(err)
				have := 0
				for _, r := range runs {
					if r.Evaluation == id {
						have++
					}
				}
				require.EqualValues(f, created.Load(), have)
				_, err = f.store.GetEvaluation(f.ctx, f.project, id)
				if deleted.Load() == 1 {
					f.notFound(err)
					require.Zero(f, have)
				} else {
					f.ok(err)
					require.NotZero(f, have)
				}
			}
		}},
		{"a run is deleted while samples and verdicts come", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0))
			f.finish(key, run.Succeeded)
			parallel(f, 7, func(i int) error {
				var ignored atomic.Int64
				switch {
				case i == 0:
					return f.store.DeleteRun(f.ctx, key)
				case i < 4:
					_, err := f.store.CreateVerdict(f.ctx, opinion(key, 0, fmt.Sprint("h", i)))
					return tally(&ignored, err)
				default:
					for n := range 10 {
						if _, err := f.store.SaveFinished(f.ctx, key, []run.Finished{reply(key, 10*i+n)}); err != nil {
							return tally(&ignored, err)
						}
					}
					return nil
				}
			})
			_, err := f.store.GetRun(f.ctx, key)
			f.notFound(err)
			// A run of the same name has nothing of the other.
			_, err = f.store.CreateRun(f.ctx, f.newRun("e", "r"))
			f.ok(err)
			require.Empty(f, rows(f, key))
			require.Empty(f, verdicts(f, key, "-"))
		}},
		{"revisions that come at once are all kept", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			const n = 8
			parallel(f, n, func(i int) error {
				_, err := f.store.UpdateUserScenario(f.ctx, f.project, content("s", fmt.Sprintf("sha256:%02x", 0xb0+i)), at(9))
				return err
			})
			list := revisionsOf(f, "s")
			require.Len(f, list, n+1)
			current := 0
			for _, r := range list {
				if r.Current {
					current++
				}
			}
			require.Equal(f, 1, current)
		}},
		{"a scenario is deleted while it is revised", func(f *fixture) {
			f.define(f.userScenario("s", revA))
			var ignored atomic.Int64
			parallel(f, 6, func(i int) error {
				if i == 0 {
					return f.store.DeleteUserScenario(f.ctx, f.project, "s")
				}
				_, err := f.store.UpdateUserScenario(f.ctx, f.project, content("s", fmt.Sprintf("sha256:%02x", 0xb0+i)), at(9))
				return tally(&ignored, err)
			})
			_, err := f.store.GetUserScenario(f.ctx, f.project, "s", "")
			f.notFound(err)
			f.define(f.userScenario("s", revA))
			require.Len(f, revisionsOf(f, "s"), 1)
		}},
	}
}

// tally counts a success, and lets pass what the port promises to whoever comes
// too late.
func tally(won *atomic.Int64, err error) error {
	var (
		exists *run.ExistsError
		absent *run.NotFoundError
		state  *run.StateError
	)
	if err == nil {
		won.Add(1)
	}
	if errors.As(err, &exists) || errors.As(err, &absent) || errors.As(err, &state) {
		return nil
	}
	return err
}

func oneCreatorWins(f *fixture) {
	key := f.withRun()
	f.save(key, reply(key, 0))
	for name, create := range map[string]func() error{
		"evaluation":  func() error { _, err := f.store.CreateEvaluation(f.ctx, f.evaluation("new")); return err },
		"run":         func() error { _, err := f.store.CreateRun(f.ctx, f.newRun("e", "new")); return err },
		"gate":        func() error { _, err := f.store.CreateGate(f.ctx, f.gate("new")); return err },
		"verdict":     func() error { _, err := f.store.CreateVerdict(f.ctx, opinion(key, 0, "new")); return err },
		"scenario":    func() error { _, err := f.store.CreateUserScenario(f.ctx, f.userScenario("new", revA)); return err },
		"decision":    func() error { return f.store.SaveDecision(f.ctx, f.decision("g", "new", key)) },
		"calibration": func() error { return f.store.SaveCalibration(f.ctx, f.calibration("rubric", "new")) },
		"label set": func() error {
			_, err := f.store.CreateLabelSet(f.ctx, f.labelSet("new"), []calibration.Item{labelled(0), labelled(1)})
			return err
		},
	} {
		var won atomic.Int64
		parallel(f, 8, func(int) error { return tally(&won, create()) })
		require.EqualValues(f, 1, won.Load(), name)
	}
	require.Len(f, labelsOf(f, "new"), 2)
	// A snapshot may be kept again.
	parallel(f, 8, func(int) error { return f.store.SaveScenario(f.ctx, f.project, snapshot("sha256:aa")) })
}

// manyRows is more than a store reads in one piece.
const manyRows = 2100

func largeTests() []test {
	return []test{
		// Reading in pieces is not seen from outside, also when nothing but the order
		// of arrival tells samples apart.
		{"a run larger than a piece", func(f *fixture) {
			key := f.withRun()
			batch := make([]run.Finished, manyRows)
			for i := range batch {
				// The same index for many.
				sample := run.Sample{ID: fmt.Sprint(i), Index: i / 1500, Repeat: i}
				batch[i].Transcript = run.Transcript{RunKey: key, Sample: sample}
			}
			inserted, err := f.store.SaveFinished(f.ctx, key, batch)
			f.ok(err)
			require.Equal(f, manyRows, inserted)
			next := 0
			f.ok(f.store.EachRow(f.ctx, key, func(r run.Row) error {
				require.Equal(f, next, r.Repeat)
				next++
				return nil
			}))
			require.Equal(f, manyRows, next)
			// Rows that go away on the way are not passed over in silence.
			f.finish(key, run.Succeeded)
			f.notFound(f.store.EachRow(f.ctx, key, func(r run.Row) error {
				if r.Repeat > 0 {
					return nil
				}
				return f.store.DeleteRun(f.ctx, key)
			}))
		}},
		{"no text of a transcript stands in an error", func(f *fixture) {
			const marker = "XYZZY-PLANTED"
			key := f.key("e", "absent")
			sample := func() run.Finished {
				tr := run.Transcript{
					RunKey: key, Sample: run.Sample{ID: "s"}, Messages: []model.Message{{Role: "user", Content: marker}},
					Reply: model.Reply{Raw: marker, NativeReasoning: marker, ModelID: marker}, Error: &run.SampleError{Message: marker, Body: marker},
				}
				tr.Parsed.Reasoning, tr.Parsed.Answer = marker, marker
				v := run.Verdict{RunKey: key, Transcript: "s", ID: "v"}
				v.Rationale, v.Flags = marker, []string{marker}
				v.ComplianceEvidence = []grading.Evidence{{Quote: marker}}
				return run.Finished{Transcript: tr, Verdict: &v}
			}
			absent, other, misplaced, number := sample(), sample(), sample(), sample()
			other.Transcript.Run = "another"
			misplaced.Verdict.Transcript = "another"
			number.Verdict.ComplianceScore = math.NaN()
			for _, s := range []run.Finished{absent, other, misplaced, number} {
				_, err := f.store.SaveFinished(f.ctx, key, []run.Finished{s})
				require.Error(f, err)
				require.NotContains(f, err.Error(), marker)
			}
		}},
	}
}
