package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
)

func verdictTests() []test {
	return []test{
		{"a verdict comes back whole", func(f *fixture) {
			key := f.withRun()
			want := reply(key, 0)
			f.save(key, want, reply(key, 1))
			got, err := f.store.GetVerdict(f.ctx, key, sampleID(0), "rubric")
			f.ok(err)
			f.equal(*want.Verdict, got)
			f.equal([]run.Verdict{*want.Verdict}, verdicts(f, key, sampleID(0)))
		}},
		{"a verdict of empty values", func(f *fixture) {
			key := f.withRun()
			sample := reply(key, 0)
			sample.Verdict = &run.Verdict{RunKey: key, Transcript: sampleID(0), ID: "v"}
			f.save(key, sample)
			got, err := f.store.GetVerdict(f.ctx, key, sampleID(0), "v")
			f.ok(err)
			f.equal(run.Verdict{RunKey: key, Transcript: sampleID(0), ID: "v", Verdict: grading.Verdict{}}, got)
		}},
		{"absent", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), failure(key, 1))
			for _, name := range []struct {
				key            run.RunKey
				transcript, id string
			}{
				{key, sampleID(0), "other"}, {key, sampleID(1), "rubric"}, {key, "none", "rubric"}, {f.key("e", "none"), sampleID(0), "rubric"},
			} {
				_, err := f.store.GetVerdict(f.ctx, name.key, name.transcript, name.id)
				f.notFound(err)
			}
			page := run.Page{Size: 10}
			_, _, err := f.store.ListVerdicts(f.ctx, key, "none", page)
			f.notFound(err)
			_, _, err = f.store.ListVerdicts(f.ctx, f.key("e", "none"), "-", page)
			f.notFound(err)
			items, next, err := f.store.ListVerdicts(f.ctx, key, sampleID(1), page)
			f.ok(err)
			require.Empty(f, items)
			require.Empty(f, next)
		}},
		{"a reply without a verdict is kept", func(f *fixture) {
			key := f.withRun()
			sample := reply(key, 0)
			sample.Verdict = nil
			f.save(key, sample)
			require.Empty(f, verdicts(f, key, "-"))
			got, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			f.equal(sample.Transcript, got)
		}},
	}
}

func verdicts(f *fixture, key run.RunKey, transcript string) []run.Verdict {
	f.Helper()
	return all(f, 3, func(p run.Page) ([]run.Verdict, string, error) {
		return f.store.ListVerdicts(f.ctx, key, transcript, p)
	})
}
