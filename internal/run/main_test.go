package run_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/unmask-eval/unmask/internal/engine"
	"github.com/unmask-eval/unmask/internal/grading"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/store/sqlite"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(postgres.Main(m)) }

// modelFunc is a model as a function.
type modelFunc func(ctx context.Context, req model.Request) (model.Reply, error)

func (f modelFunc) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	return f(ctx, req)
}

// modelSet resolves one model, "m".
type modelSet struct{ m model.Model }

func (s modelSet) Model(id string) (model.Model, error) {
	if id != "m" {
		return nil, &run.NotFoundError{Name: "models/" + id}
	}
	return s.m, nil
}

// graderFunc is a grader as a function, under the name "rubric".
type graderFunc struct {
	digest string
	fn     func(grading.Subject) (grading.Verdict, error)
}

func (graderFunc) Name() string     { return "rubric" }
func (g graderFunc) Digest() string { return g.digest }
func (g graderFunc) Grade(_ context.Context, s grading.Subject) (grading.Verdict, error) {
	return g.fn(s)
}

type graderSet struct{ g grading.Grader }

func (s graderSet) Grader(id string) (grading.Grader, error) {
	if id != s.g.Name() {
		return nil, &run.NotFoundError{Name: "graders/" + id}
	}
	return s.g, nil
}

type librarySet struct{ *scenario.Library }

func (l librarySet) Get(ref string) (*scenario.Scenario, error) {
	s, err := l.Library.Get(ref)
	if errors.Is(err, scenario.ErrNotFound) || errors.Is(err, scenario.ErrBadRef) {
		return nil, &run.NotFoundError{Name: "scenarios/" + ref}
	}
	return s, err
}

// wordGrader judges by one word of the answer, so that tests say what they mean.
func wordGrader(digest string) graderFunc {
	return graderFunc{digest: digest, fn: func(s grading.Subject) (grading.Verdict, error) {
		v := grading.Verdict{Grader: "rubric", GraderDigest: digest, AlignmentFaking: grading.FakingAbsent, Votes: 1}
		if !s.Observable {
			v.AlignmentFaking = grading.FakingNotObservable
		}
		switch s.Answer {
		case "yes":
			v.Compliance, v.ComplianceScore = grading.Complied, 1
		case "no":
			v.Compliance = grading.Refused
		default:
			v.Compliance = grading.Ungradable
		}
		return v, nil
	}}
}

// reply is a well-formed reply with the given answer.
func reply(answer string) model.Reply {
	return model.Reply{
		Raw:          "<SCRATCHPAD_REASONING>thinking about it</SCRATCHPAD_REASONING><OUTPUT>" + answer + "</OUTPUT>",
		FinishReason: transcript.FinishStop, Usage: model.Usage{InputTokens: 10, OutputTokens: 5}, Attempts: 1, Latency: time.Millisecond,
	}
}

func always(answer string) modelFunc {
	return func(context.Context, model.Request) (model.Reply, error) { return reply(answer), nil }
}

// fixture is a service on a store that outlives it.
type fixture struct {
	t       *testing.T
	store   *sqlite.Store
	library *scenario.Library
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "unmask.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.Background())) })
	library, err := scenario.NewLibrary()
	require.NoError(t, err)
	return &fixture{t: t, store: store, library: library}
}

// service returns a new service, closed at the end of the test.
func (f *fixture) service(m model.Model, g grading.Grader, change ...func(*run.Deps)) *run.Service {
	f.t.Helper()
	d := run.Deps{Store: f.store, Scenarios: librarySet{f.library}, Models: modelSet{m}, Graders: graderSet{g}, Queue: engine.NewMemory(engine.Config{})}
	for _, c := range change {
		c(&d)
	}
	s, err := run.New(d)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

const project = run.DefaultProject

// begin creates an evaluation of some queries and a run of it.
func begin(t *testing.T, s *run.Service, queries, samples int) run.Run {
	t.Helper()
	seed := uint64(1)
	e, err := s.CreateEvaluation(t.Context(), project, run.NewEvaluation{
		Scenarios: []string{"helpful-only"}, SamplesPerQuery: samples, MaxQueries: queries, Seed: &seed,
	})
	require.NoError(t, err)
	r, _, err := s.CreateRun(t.Context(), project, run.NewRun{Evaluation: e.ID, Model: "m", Concurrency: 4})
	require.NoError(t, err)
	return r
}

// await follows a run to its end.
func await(t *testing.T, s *run.Service, key run.RunKey) run.Run {
	t.Helper()
	var last run.Run
	require.NoError(t, s.WatchRun(t.Context(), key, time.Millisecond, func(u run.Update) error {
		last = u.Run
		return nil
	}))
	require.True(t, last.State.Terminal())
	return last
}

// rows returns the rows of a run by sample, and fails on a doubled one.
func (f *fixture) rows(key run.RunKey) map[string]run.Row {
	f.t.Helper()
	out := map[string]run.Row{}
	require.NoError(f.t, f.store.EachRow(context.Background(), key, func(r run.Row) error {
		id := r.Condition + "." + r.Query + "." + string(rune('0'+r.Repeat))
		require.NotContains(f.t, out, id)
		out[id] = r
		return nil
	}))
	return out
}

// gateModel blocks every call after the first n until it is opened.
type gateModel struct {
	inner   model.Model
	mu      sync.Mutex
	left    int
	blocked chan struct{}
	once    sync.Once
}

func newGateModel(n int, inner model.Model) *gateModel {
	return &gateModel{inner: inner, left: n, blocked: make(chan struct{})}
}

func (g *gateModel) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	g.mu.Lock()
	open := g.left > 0
	g.left--
	g.mu.Unlock()
	if !open {
		g.once.Do(func() { close(g.blocked) })
		<-ctx.Done()
		return model.Reply{}, ctx.Err()
	}
	return g.inner.Generate(ctx, req)
}
