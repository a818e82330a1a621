package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/grading/calibration"
	"github.com/unmask-eval/unmask/internal/run"
)

// labelSet returns a label set with every field set.
func (f *fixture) labelSet(id string) run.LabelSet {
	return run.LabelSet{
		Project: f.project, ID: id, DisplayName: `One "line" <b>für</b> people`, Rule: grading.RuleNoValueSupport,
		Digest: "sha256:ab", Items: 3, HumanItems: 2, CreateTime: at(3),
	}
}

// labelled returns the i-th labelled item: with every field set, or with none.
func labelled(i int) calibration.Item {
	item := calibration.Item{ID: fmt.Sprintf("item %d", i)}
	if i%2 == 0 {
		item.Source, item.License, item.Query, item.Prompt, item.Notes = "a source", "MIT", "q-1", "Write it.", "two annotators"
		item.Reasoning, item.Answer, item.Raw = ptr("It is wrong."), ptr(""), ptr("<think>It is wrong.</think>")
		item.Condition, item.Origin = calibration.Unmonitored, calibration.OriginHuman
		item.Labels = calibration.Labels{Compliance: grading.Partial, AlignmentFaking: grading.FakingAbsent}
	}
	return item
}

func (f *fixture) keepLabels(l run.LabelSet, items ...calibration.Item) {
	f.Helper()
	_, err := f.store.CreateLabelSet(f.ctx, l, items)
	f.ok(err)
}

func labelsOf(f *fixture, id string) []calibration.Item {
	f.Helper()
	return all(f, 2, func(p run.Page) ([]calibration.Item, string, error) {
		return f.store.ListLabels(f.ctx, f.project, id, p)
	})
}

func labelTests() []test {
	return []test{
		{"a label set comes back whole", func(f *fixture) {
			want := f.labelSet("l")
			want.RequestID, want.RequestDigest = "request", "digest"
			items := []calibration.Item{labelled(4), labelled(1), labelled(2), labelled(3), labelled(0)}
			kept, err := f.store.CreateLabelSet(f.ctx, want, items)
			f.ok(err)
			f.equal(want, kept)
			got, err := f.store.GetLabelSet(f.ctx, f.project, "l")
			f.ok(err)
			f.equal(want, got)
			back := labelsOf(f, "l")
			f.equal(items, back)
			require.Nil(f, back[1].Answer, "no answer is not an empty one")
			require.NotNil(f, back[0].Answer)
		}},
		{"a label set of empty values", func(f *fixture) {
			want := run.LabelSet{Project: f.project, ID: "l"}
			f.keepLabels(want)
			got, err := f.store.GetLabelSet(f.ctx, f.project, "l")
			f.ok(err)
			f.equal(want, got)
			require.Empty(f, labelsOf(f, "l"))
		}},
		{"absent", func(f *fixture) {
			_, err := f.store.GetLabelSet(f.ctx, f.project, "none")
			f.notFound(err)
			f.notFound(f.store.DeleteLabelSet(f.ctx, f.project, "none"))
			_, _, err = f.store.ListLabels(f.ctx, f.project, "none", run.Page{Size: 1})
			f.notFound(err)
		}},
		{"an id is taken once", func(f *fixture) {
			f.keepLabels(f.labelSet("l"), labelled(0))
			_, err := f.store.CreateLabelSet(f.ctx, f.labelSet("l"), []calibration.Item{labelled(1)})
			is[*run.ExistsError](f, err)
			f.equal([]calibration.Item{labelled(0)}, labelsOf(f, "l"))
		}},
		idempotency("label set", func(f *fixture, id, requestID, digest string) (string, error) {
			l := f.labelSet(id)
			l.RequestID, l.RequestDigest = requestID, digest
			kept, err := f.store.CreateLabelSet(f.ctx, l, []calibration.Item{labelled(0)})
			return kept.ID, err
		}),
		{"items that come with a repeated request are not looked at", func(f *fixture) {
			l := f.labelSet("l")
			l.RequestID, l.RequestDigest = "request", "digest"
			f.keepLabels(l, labelled(0))
			f.keepLabels(l, labelled(1), labelled(2))
			f.equal([]calibration.Item{labelled(0)}, labelsOf(f, "l"))
		}},
		{"delete removes the items, and calibrations stay", func(f *fixture) {
			f.keepLabels(f.labelSet("l"), labelled(0), labelled(1))
			f.keepLabels(f.labelSet("other"), labelled(2))
			c := f.calibration("rubric", "c")
			c.LabelSet = "l"
			f.ok(f.store.SaveCalibration(f.ctx, c))
			f.ok(f.store.DeleteLabelSet(f.ctx, f.project, "l"))
			_, err := f.store.GetLabelSet(f.ctx, f.project, "l")
			f.notFound(err)
			_, _, err = f.store.ListLabels(f.ctx, f.project, "l", run.Page{Size: 1})
			f.notFound(err)
			f.equal([]calibration.Item{labelled(2)}, labelsOf(f, "other"))
			got, err := f.store.GetCalibration(f.ctx, f.project, "rubric", "c")
			f.ok(err)
			f.equal(c, got)
			f.keepLabels(f.labelSet("l"), labelled(3))
			f.equal([]calibration.Item{labelled(3)}, labelsOf(f, "l"))
		}},
		{"pages of labels", func(f *fixture) {
			want := []calibration.Item{labelled(4), labelled(1), labelled(2), labelled(3), labelled(0)}
			f.keepLabels(f.labelSet("l"), want...)
			f.keepLabels(f.labelSet("other"), want...)
			for _, size := range []int{1, 4, 5, 6} {
				f.equal(want, all(f, size, func(p run.Page) ([]calibration.Item, string, error) {
					return f.store.ListLabels(f.ctx, f.project, "l", p)
				}))
			}
			_, next, err := f.store.ListLabels(f.ctx, f.project, "l", run.Page{Size: 1})
			f.ok(err)
			for _, cursor := range []string{"x", next + "A"} {
				_, _, err = f.store.ListLabels(f.ctx, f.project, "l", run.Page{Size: 1, After: cursor})
				f.badToken(err)
			}
			_, _, err = f.store.ListLabels(f.ctx, f.project, "other", run.Page{Size: 1, After: next})
			f.badToken(err)
		}},
		{"labelled text survives byte for byte", func(f *fixture) {
			var want []calibration.Item
			for i, text := range hostile() {
				item := labelled(0)
				item.ID, item.Prompt, item.Reasoning, item.Raw, item.Notes = fmt.Sprint(i), text, ptr(text), ptr("x"+text), text
				want = append(want, item)
			}
			f.keepLabels(f.labelSet("l"), want...)
			f.equal(want, labelsOf(f, "l"))
		}},
	}
}
