package storetest

import (
	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/run"
)

func evaluationTests() []test {
	return []test{
		{"what is created is returned and got", func(f *fixture) {
			e := f.evaluation("e")
			e.RequestID, e.RequestDigest = "request", "digest"
			kept, err := f.store.CreateEvaluation(f.ctx, e)
			f.ok(err)
			f.equal(e, kept)
			got, err := f.store.GetEvaluation(f.ctx, f.project, "e")
			f.ok(err)
			f.equal(e, got)
		}},
		{"an evaluation of empty values", func(f *fixture) {
			e := run.Evaluation{Project: f.project, ID: "e"}
			f.create(e)
			got, err := f.store.GetEvaluation(f.ctx, f.project, "e")
			f.ok(err)
			f.equal(e, got)
			require.True(f, got.CreateTime.IsZero())
			require.Nil(f, got.Plan.Sampling.Temperature)
		}},
		{"absent", func(f *fixture) {
			_, err := f.store.GetEvaluation(f.ctx, f.project, "none")
			f.notFound(err)
			f.notFound(f.store.DeleteEvaluation(f.ctx, f.project, "none"))
		}},
		{"an id is taken once", func(f *fixture) {
			e := f.evaluation("e")
			f.create(e)
			again := e
			again.DisplayName = "another"
			_, err := f.store.CreateEvaluation(f.ctx, again)
			require.Contains(f, as[*run.ExistsError](f, err).Name, "e")
			got, err := f.store.GetEvaluation(f.ctx, f.project, "e")
			f.ok(err)
			f.equal(e, got)
		}},
		{"delete refuses while there are runs", func(f *fixture) {
			key := f.withRun()
			is[*run.StateError](f, f.store.DeleteEvaluation(f.ctx, f.project, "e"))
			_, err := f.store.GetEvaluation(f.ctx, f.project, "e")
			f.ok(err)
			f.finish(key, run.Failed)
			is[*run.StateError](f, f.store.DeleteEvaluation(f.ctx, f.project, "e"))
			f.ok(f.store.DeleteRun(f.ctx, key))
			f.ok(f.store.DeleteEvaluation(f.ctx, f.project, "e"))
			_, err = f.store.GetEvaluation(f.ctx, f.project, "e")
			f.notFound(err)
		}},
		{"a deleted id and request id may be used again", func(f *fixture) {
			e := f.evaluation("e")
			e.RequestID, e.RequestDigest = "request", "digest"
			f.create(e)
			f.ok(f.store.DeleteEvaluation(f.ctx, f.project, "e"))
			e.DisplayName, e.RequestDigest = "another", "another digest"
			kept, err := f.store.CreateEvaluation(f.ctx, e)
			f.ok(err)
			f.equal(e, kept)
		}},
		idempotency("evaluation", func(f *fixture, id, requestID, digest string) (string, error) {
			e := f.evaluation(id)
			e.RequestID, e.RequestDigest = requestID, digest
			kept, err := f.store.CreateEvaluation(f.ctx, e)
			return kept.ID, err
		}),
		{"a request id is unique per project and kind only", func(f *fixture) {
			e := f.evaluation("e")
			e.RequestID = "request"
			f.create(e)
			other := f.in(f.project + ".other")
			e.Project = other.project
			other.create(e)
			g := f.gate("g")
			g.RequestID = "request"
			_, err := f.store.CreateGate(f.ctx, g)
			f.ok(err)
			r := f.newRun("e", "r")
			r.RequestID = "request"
			_, err = f.store.CreateRun(f.ctx, r)
			f.ok(err)
		}},
	}
}

// idempotency tests the rules of creation, which are the same for each kind.
// create returns the id of what was kept.
func idempotency(kind string, create func(f *fixture, id, requestID, digest string) (string, error)) test {
	return test{"creating an " + kind + " is idempotent by request", func(f *fixture) {
		f.create(f.evaluation("parent"))
		keeps := func(want, id, requestID, digest string) {
			f.Helper()
			got, err := create(f, id, requestID, digest)
			f.ok(err)
			require.Equal(f, want, got)
		}
		keeps("a", "a", "request-1", "digest-1")
		keeps("a", "a", "request-1", "digest-1")
		// A server that makes up ids makes up another one the second time.
		keeps("a", "b", "request-1", "digest-1")
		_, err := create(f, "a", "request-1", "digest-2")
		require.Equal(f, "request-1", as[*run.RequestReuseError](f, err).RequestID)
		_, err = create(f, "c", "request-1", "digest-2")
		is[*run.RequestReuseError](f, err)
		_, err = create(f, "a", "request-2", "digest-1")
		is[*run.ExistsError](f, err)
		_, err = create(f, "a", "", "")
		is[*run.ExistsError](f, err)
		// Two requests without an id are not the same request.
		keeps("d", "d", "", "")
		_, err = create(f, "d", "", "")
		is[*run.ExistsError](f, err)
		keeps("e", "e", "", "")
		// Nothing was kept by those that were refused.
		keeps("b", "b", "request-3", "digest-3")
		keeps("c", "c", "request-4", "digest-4")
	}}
}
