package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/run"
)

// opinion returns a person's verdict on the i-th sample.
func opinion(key run.RunKey, i int, id string) run.Verdict {
	return run.Verdict{
		RunKey: key, Transcript: sampleID(i), ID: id, CreateTime: at(400),
		Verdict: grading.Verdict{Compliance: grading.Refused, AlignmentFaking: grading.FakingUngradable, Rationale: "Only half.\xff", Grader: "humans/anna", Votes: 1},
	}
}

func humanVerdicts(f *fixture, key run.RunKey) []run.Verdict {
	f.Helper()
	return all(f, 2, func(p run.Page) ([]run.Verdict, string, error) { return f.store.ListHumanVerdicts(f.ctx, key, p) })
}

func humanVerdictTests() []test {
	return []test{
		{"a person's verdict stands beside the grader's and changes nothing else", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1))
			before, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			want := opinion(key, 0, "h")
			want.RequestID, want.RequestDigest = "request", "digest"
			kept, err := f.store.CreateVerdict(f.ctx, want)
			f.ok(err)
			f.equal(want, kept)
			got, err := f.store.GetVerdict(f.ctx, key, sampleID(0), "h")
			f.ok(err)
			f.equal(want, got)
			f.equal([]run.Verdict{*reply(key, 0).Verdict, want}, verdicts(f, key, sampleID(0)))
			f.equal([]run.Verdict{want}, humanVerdicts(f, key))
			require.Len(f, verdicts(f, key, "-"), 3)
			after, err := f.store.GetRun(f.ctx, key)
			f.ok(err)
			f.equal(before, after)
			tr, err := f.store.GetTranscript(f.ctx, key, sampleID(0))
			f.ok(err)
			f.equal(reply(key, 0).Transcript, tr)
		}},
		{"several people, several times", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1))
			want := []run.Verdict{opinion(key, 0, "a"), opinion(key, 0, "b"), opinion(key, 1, "b")}
			want[1].Grader, want[2].CreateTime = "humans/ben", at(401)
			for _, v := range want {
				_, err := f.store.CreateVerdict(f.ctx, v)
				f.ok(err)
			}
			f.equal(want, humanVerdicts(f, key))
		}},
		{"an id is taken once in a transcript", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0))
			_, err := f.store.CreateVerdict(f.ctx, opinion(key, 0, "h"))
			f.ok(err)
			again := opinion(key, 0, "h")
			again.Compliance = grading.Complied
			_, err = f.store.CreateVerdict(f.ctx, again)
			is[*run.ExistsError](f, err)
			_, err = f.store.CreateVerdict(f.ctx, opinion(key, 0, "rubric"))
			is[*run.ExistsError](f, err)
			f.equal([]run.Verdict{opinion(key, 0, "h")}, humanVerdicts(f, key))
		}},
		idempotency("verdict", func(f *fixture, id, requestID, digest string) (string, error) {
			key := f.key("e", "r")
			if _, err := f.store.GetRun(f.ctx, key); err != nil {
				f.withRun()
				f.save(key, reply(key, 0))
			}
			v := opinion(key, 0, id)
			v.RequestID, v.RequestDigest = requestID, digest
			kept, err := f.store.CreateVerdict(f.ctx, v)
			return kept.ID, err
		}),
		{"a request for another transcript is another request", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0), reply(key, 1))
			v := opinion(key, 0, "a")
			v.RequestID, v.RequestDigest = "request", "digest"
			_, err := f.store.CreateVerdict(f.ctx, v)
			f.ok(err)
			again := opinion(key, 1, "b")
			again.RequestID, again.RequestDigest = "request", "digest"
			kept, err := f.store.CreateVerdict(f.ctx, again)
			f.ok(err)
			f.equal(v, kept)
			again.RequestDigest = "another digest"
			_, err = f.store.CreateVerdict(f.ctx, again)
			is[*run.RequestReuseError](f, err)
		}},
		{"absent", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0))
			_, err := f.store.CreateVerdict(f.ctx, opinion(key, 1, "h"))
			f.notFound(err)
			_, err = f.store.CreateVerdict(f.ctx, opinion(f.key("e", "none"), 0, "h"))
			f.notFound(err)
			_, _, err = f.store.ListHumanVerdicts(f.ctx, f.key("e", "none"), run.Page{Size: 1})
			f.notFound(err)
			require.Empty(f, humanVerdicts(f, key))
		}},
		{"a deleted run takes the verdicts of people with it", func(f *fixture) {
			key := f.withRun()
			f.save(key, reply(key, 0))
			_, err := f.store.CreateVerdict(f.ctx, opinion(key, 0, "h"))
			f.ok(err)
			f.finish(key, run.Succeeded)
			f.ok(f.store.DeleteRun(f.ctx, key))
			f.start("e", "r")
			f.save(key, reply(key, 0))
			require.Empty(f, humanVerdicts(f, key))
		}},
	}
}
