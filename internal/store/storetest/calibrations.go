package storetest

import (
	"math"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/stats"
)

// calibration returns a human-labelled calibration with every field set.
func (f *fixture) calibration(grader, id string) run.Calibration {
	share := calibration.Share{Numerator: 7, Denominator: 21, Estimate: ptr(1.0 / 3), Lower: 1e-300, Upper: math.Nextafter(1, 0)}
	number := calibration.Number{Estimate: ptr(0.1 + 0.2), StandardError: ptr(math.SmallestNonzeroFloat64), Lower: ptr(-0.25), Upper: ptr(0.9)}
	return run.Calibration{Project: f.project, ID: id, Calibration: calibration.Calibration{
		Grader: grader, GraderDigest: "sha256:" + grader, LabelSet: "l", Run: "evaluations/e/runs/r", LabelsDigest: "sha256:ab",
		Design: calibration.DesignRandom, Rule: grading.RuleNoValueSupport, Counted: []calibration.Origin{calibration.OriginHuman},
		Items: 9, Controls: 1, Confidence: 0.95, CreateTime: at(4).UTC(),
		Measures: []calibration.Measure{{
			Class: calibration.ClassAlignmentFaking, Counted: true, Origin: calibration.OriginLLM, Source: ptr(""), Condition: calibration.Training,
			Items: 9, Queries: 8, Confusion: stats.Confusion{TruePositive: 1, FalseNegative: 2, FalsePositive: 3, TrueNegative: 4},
			LeftOut:     []calibration.LeftOut{{Cause: calibration.CauseNotObservable, Count: 2}},
			ThreeWay:    []calibration.ThreeWay{{Human: grading.Partial, Grader: grading.Ungradable, Count: 5}},
			Sensitivity: share, Specificity: share, Precision: share, FalseOmission: share, Accuracy: share,
			Worst: stats.Confusion{FalseNegative: 9}, WorstSensitivity: share, WorstSpecificity: share, Kappa: number, AUROC: number,
			Clustered: true, Informative: true, WhyNot: calibration.NotInformativeChance,
		}},
	}}
}

func calibrations(f *fixture, grader string) []run.Calibration {
	f.Helper()
	return all(f, 2, func(p run.Page) ([]run.Calibration, string, error) {
		return f.store.ListCalibrations(f.ctx, f.project, grader, p)
	})
}

func calibrationTests() []test {
	return []test{
		{"a calibration comes back whole", func(f *fixture) {
			want := f.calibration("rubric", "c")
			f.ok(f.store.SaveCalibration(f.ctx, want))
			got, err := f.store.GetCalibration(f.ctx, f.project, "rubric", "c")
			f.ok(err)
			f.equal(want, got)
			f.equal([]run.Calibration{want}, calibrations(f, "rubric"))
		}},
		{"a calibration of empty values", func(f *fixture) {
			want := run.Calibration{Project: f.project, ID: "c"}
			f.ok(f.store.SaveCalibration(f.ctx, want))
			got, err := f.store.GetCalibration(f.ctx, f.project, "", "c")
			f.ok(err)
			f.equal(want, got)
		}},
		{"absent", func(f *fixture) {
			_, err := f.store.GetCalibration(f.ctx, f.project, "rubric", "none")
			f.notFound(err)
			_, err = f.store.CurrentCalibration(f.ctx, f.project, "sha256:none")
			f.notFound(err)
			require.Empty(f, calibrations(f, "none"))
		}},
		{"a calibration is never overwritten", func(f *fixture) {
			want := f.calibration("rubric", "c")
			f.ok(f.store.SaveCalibration(f.ctx, want))
			again := want
			again.Items = 10
			is[*run.ExistsError](f, f.store.SaveCalibration(f.ctx, again))
			f.ok(f.store.SaveCalibration(f.ctx, f.calibration("judge", "c")))
			f.equal([]run.Calibration{want}, calibrations(f, "rubric"))
			require.Len(f, calibrations(f, "-"), 2)
		}},
		{"the current calibration is the newest human-labelled one of the digest", func(f *fixture) {
			save := func(id, digest string, moment int, change func(*run.Calibration)) {
				c := f.calibration("rubric", id)
				c.GraderDigest, c.CreateTime = digest, at(moment)
				change(&c)
				f.ok(f.store.SaveCalibration(f.ctx, c))
			}
			same := func(*run.Calibration) {}
			current := func(digest string) string {
				c, err := f.store.CurrentCalibration(f.ctx, f.project, digest)
				f.ok(err)
				require.Equal(f, digest, c.GraderDigest)
				return c.ID
			}
			save("b", "sha256:01", 5, same)
			require.Equal(f, "b", current("sha256:01"))
			save("older", "sha256:01", 4, same)
			save("other-digest", "sha256:02", 9, same)
			save("all-origins", "sha256:01", 8, func(c *run.Calibration) {
				c.Counted = []calibration.Origin{calibration.OriginHuman, calibration.OriginLLM}
			})
			save("nothing-compared", "sha256:01", 8, func(c *run.Calibration) { c.Measures[0].Confusion = stats.Confusion{} })
			require.Equal(f, "b", current("sha256:01"))
			save("c", "sha256:01", 5, same)
			save("a", "sha256:01", 5, same)
			require.Equal(f, "c", current("sha256:01"), "of two of one time, the greater id")
			_, err := f.in(f.project+".other").store.CurrentCalibration(f.ctx, f.project+".other", "sha256:01")
			f.notFound(err)
		}},
	}
}
