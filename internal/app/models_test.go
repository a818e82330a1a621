package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/app"
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/telemetry"
)

// writeTo copies the body of an answer and closes it.
func writeTo(w io.Writer, resp *http.Response) (int64, error) {
	defer func() { _ = resp.Body.Close() }()
	return io.Copy(w, resp.Body)
}

// probe asks whether a model works.
func (s *server) probe(name string) *unmaskv1.ModelProbe {
	s.t.Helper()
	p, err := unmaskv1.NewModelServiceClient(s.conn).ProbeModel(s.t.Context(), &unmaskv1.ProbeModelRequest{Name: "models/" + name})
	require.NoError(s.t, err)
	return p
}

func TestAProbeSaysWhatWorks(t *testing.T) {
	e := startEndpoint(t)
	s := start(t, func(c *config.Config) {
		for name, id := range map[string]string{
			"tags": "sim/refuser", "native": "sim/refuser?channel=native", "summary": "sim/refuser?channel=summary",
			"redacted": "sim/refuser?channel=redacted", "think": "sim/refuser?channel=think", "cut": "sim/flaky?truncation=1&error=0&timeout=0&malformed=0&empty=0",
			"unknown": "sim/nobody",
		} {
			c.Models = append(c.Models, config.Model{Name: name, BaseURL: e.url, ModelID: id, MaxAttempts: 1})
		}
		c.Models = append(c.Models, config.Model{Name: "away", BaseURL: "http://127.0.0.1:1/v1", ModelID: "m", MaxAttempts: 2})
	})
	for _, tt := range []struct {
		name        string
		observation unmaskv1.Observation
		kind        unmaskv1.NativeKind
		tags        bool
		failure     unmaskv1.SampleErrorClass
	}{
		{"tags", unmaskv1.Observation_OBSERVATION_SCRATCHPAD, 0, true, 0},
		{"sim/refuser", unmaskv1.Observation_OBSERVATION_SCRATCHPAD, 0, true, 0},
		{"native", unmaskv1.Observation_OBSERVATION_NATIVE, unmaskv1.NativeKind_NATIVE_KIND_FULL, false, 0},
		{"summary", unmaskv1.Observation_OBSERVATION_SUMMARY_ONLY, unmaskv1.NativeKind_NATIVE_KIND_SUMMARY, false, 0},
		{"redacted", unmaskv1.Observation_OBSERVATION_REDACTED, unmaskv1.NativeKind_NATIVE_KIND_REDACTED, false, 0},
		{"think", unmaskv1.Observation_OBSERVATION_SCRATCHPAD, 0, false, 0},
		{"unknown", 0, 0, false, unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_NOT_FOUND},
		{"away", 0, 0, false, unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_UNAVAILABLE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := s.probe(tt.name)
			require.Equal(t, "models/"+tt.name, p.GetModel())
			require.Equal(t, tt.failure, p.GetError().GetClass())
			require.Equal(t, tt.failure == 0, p.GetReachable())
			require.Equal(t, tt.observation, p.GetObservation())
			require.Equal(t, tt.kind, p.GetNativeKind())
			require.Equal(t, tt.tags, p.GetTagsHonoured())
			require.Positive(t, p.GetAttempts())
			require.Equal(t, p.GetReachable(), p.TokensPerSecond != nil)
			require.Equal(t, p.GetReachable(), p.GetServedModel() != "")
		})
	}
	t.Run("a cut reply honours no tags", func(t *testing.T) {
		p := s.probe("cut")
		require.True(t, p.GetReachable())
		require.False(t, p.GetTagsHonoured())
		require.Equal(t, unmaskv1.FinishReason_FINISH_REASON_LENGTH, p.GetFinishReason())
	})
	t.Run("over REST", func(t *testing.T) {
		a := s.do("POST", "/v1/models/sim/refuser%3Fchannel=native:probe", "{}")
		require.Equal(t, 200, a.code, a.body)
		require.Contains(t, a.body, `"nativeKind":"NATIVE_KIND_FULL"`)
		a = s.do("POST", "/v1/models/away:probe", "{}")
		require.Equal(t, 200, a.code, a.body)
		require.Contains(t, a.body, `"class":"SAMPLE_ERROR_CLASS_UNAVAILABLE"`)
	})
	t.Run("no such model", func(t *testing.T) {
		_, err := unmaskv1.NewModelServiceClient(s.conn).ProbeModel(t.Context(), &unmaskv1.ProbeModelRequest{Name: "models/nobody"})
		require.Equal(t, codes.NotFound, status.Code(err))
		_, err = unmaskv1.NewModelServiceClient(s.conn).ProbeModel(t.Context(), &unmaskv1.ProbeModelRequest{Name: "models/sim/refuser?x=1"})
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	})
}

// A probe does not wait as long as a sample would.
func TestAProbeOfARefusingEndpointSaysSo(t *testing.T) {
	e := startEndpoint(t)
	e.status.Store(429)
	s := start(t, func(c *config.Config) {
		c.Models = []config.Model{{Name: "busy", BaseURL: e.url, ModelID: "sim/refuser", Limits: config.Limits{MaxWait: time.Second}}}
	})
	p := s.probe("busy")
	require.Equal(t, unmaskv1.SampleErrorClass_SAMPLE_ERROR_CLASS_RATE_LIMITED, p.GetError().GetClass())
	m, err := unmaskv1.NewModelServiceClient(s.conn).GetModel(t.Context(), &unmaskv1.GetModelRequest{Name: "models/busy"})
	require.NoError(t, err)
	require.True(t, m.GetLoad().GetRefusing())
	metrics, err := s.http.Get("http://" + s.app.Addrs().Ops.String() + "/metrics")
	require.NoError(t, err)
	var b strings.Builder
	_, err = writeTo(&b, metrics)
	require.NoError(t, err)
	require.Contains(t, b.String(), `unmask_model_refusing{model="busy"} 1`)
}

func TestModelsAreListed(t *testing.T) {
	price := 2.5
	s := start(t, func(c *config.Config) {
		c.Models = []config.Model{
			{Name: "b", BaseURL: "http://127.0.0.1:1/v1", ModelID: "m", APIKeyEnv: "HOME", InputPrice: &price, Limits: config.Limits{MaxConcurrency: 9, RequestsPerMinute: 60}},
			{Name: "a", BaseURL: "http://127.0.0.1:1/v1", ModelID: "m", APIKeyEnv: "HOME", Limits: config.Limits{MaxConcurrency: 7}},
		}
	})
	client := unmaskv1.NewModelServiceClient(s.conn)
	var names []string
	for req := (&unmaskv1.ListModelsRequest{PageSize: 4}); ; {
		page, err := client.ListModels(t.Context(), req)
		require.NoError(t, err)
		for _, m := range page.GetModels() {
			names = append(names, m.GetName())
			one, err := client.GetModel(t.Context(), &unmaskv1.GetModelRequest{Name: m.GetName()})
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(m, one, protocmp.Transform()))
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	require.Equal(t, []string{"models/a", "models/b"}, names[:2])
	require.Contains(t, names, "models/sim/judge")
	require.IsIncreasing(t, names)

	got, err := client.GetModel(t.Context(), &unmaskv1.GetModelRequest{Name: "models/b"})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1/v1", got.GetEndpoint())
	require.Equal(t, "HOME", got.GetApiKeyEnv())
	require.Equal(t, price, got.GetInputPrice())
	require.Nil(t, got.OutputPrice)
	require.EqualValues(t, 7, got.GetLimits().GetMaxConcurrency(), "two names of one endpoint share the narrower bound")
	require.EqualValues(t, 60, got.GetLimits().GetRequestsPerMinute())

	a := s.do("GET", "/v1/models", "")
	require.Equal(t, 200, a.code)
	var list struct {
		Models []struct{ Name, Provider string }
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	require.Equal(t, "models/a", list.Models[0].Name)
	require.Equal(t, 200, s.do("GET", "/v1/models/sim/refuser%3Fchannel=native", "").code)
	require.Equal(t, 404, s.do("GET", "/v1/models/none", "").code)
}

// results returns what a run came to, apart from its name and its times.
func (s *server) results(r *unmaskv1.Run) (results []byte, transcripts []*unmaskv1.Transcript) {
	s.t.Helper()
	results, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.GetResults())
	require.NoError(s.t, err)
	client := unmaskv1.NewEvaluationServiceClient(s.conn)
	for req := (&unmaskv1.ListTranscriptsRequest{Parent: r.GetName(), View: unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL}); ; {
		page, err := client.ListTranscripts(s.t.Context(), req)
		require.NoError(s.t, err)
		for _, t := range page.GetTranscripts() {
			t.Name, t.CreateTime = t.GetName()[strings.LastIndex(t.GetName(), "/"):], nil
			transcripts = append(transcripts, t)
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return results, transcripts
		}
	}
}

// What a model said in one process is what it says in another, and the results are
// the same to the byte, whatever was recorded beside it.
func TestARecordedRunReplaysToTheByte(t *testing.T) {
	const target = "sim/flaky?rate_limit=0.1&malformed=0.2&free=0.4&faking=0.3"
	file := filepath.Join(t.TempDir(), "run.jsonl")
	recorded := start(t, func(c *config.Config) {
		c.Runs.Record = file
		c.Graders = []config.Grader{{ID: "judge", Kind: config.KindJudge, Model: "sim/judge", Votes: 1}}
	})
	wantResults, wantTranscripts := recorded.results(recorded.runWith("rubric", target))
	require.NotEmpty(t, wantTranscripts)
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, recorded.runWith("judge", target).GetState())
	// The server that records goes on; what it has written is whole.
	replayed := start(t, func(c *config.Config) {
		c.Models = []config.Model{
			{Name: "target", Provider: config.ProviderReplay, File: file, ModelID: target},
			{Name: "judge", Provider: config.ProviderReplay, File: file, ModelID: "sim/judge"},
		}
	})
	results, transcripts := replayed.results(replayed.runWith("rubric", "target"))
	require.Empty(t, cmp.Diff(wantTranscripts, transcripts, protocmp.Transform()))
	require.Equal(t, wantResults, results)
}

// Another plan is not answered by what was said under this one.
func TestAReplayOfAnotherPlanFailsLoudly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.jsonl")
	s := start(t, func(c *config.Config) { c.Runs.Record = file })
	require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, s.runWith("rubric", "sim/refuser").GetState())
	other := start(t, func(c *config.Config) {
		c.Models = []config.Model{{Name: "old", Provider: config.ProviderReplay, File: file}}
	})
	r := other.follow(other.launch("rubric", "old", 4))
	require.Equal(t, unmaskv1.RunState_RUN_STATE_FAILED, r.GetState())
	require.Contains(t, r.GetError(), "the recording run.jsonl has no exchange with these messages, sampling and seed")
	require.NotContains(t, r.GetError(), filepath.Dir(file))
	m, err := unmaskv1.NewModelServiceClient(other.conn).GetModel(t.Context(), &unmaskv1.GetModelRequest{Name: "models/old"})
	require.NoError(t, err)
	require.Equal(t, "replay", m.GetProvider())
	require.Positive(t, m.GetRecordedExchanges())
	require.NotEmpty(t, m.GetRecordingDigest())
}

func TestARecordingThatCannotBeUsedIsNamed(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(notes, []byte("my notes\n"), 0o600))
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{"a replay of no file", func(c *config.Config) {
			c.Models = []config.Model{{Name: "old", Provider: config.ProviderReplay, File: "/nowhere.jsonl"}}
		}, "models.old.file: read the recording: open /nowhere.jsonl"},
		{"a replay of another file", func(c *config.Config) {
			c.Models = []config.Model{{Name: "old", Provider: config.ProviderReplay, File: notes}}
		}, "line 1: is not JSON"},
		{"recording into another file", func(c *config.Config) { c.Runs.Record = notes }, "runs.record: open the recording: there is a file that is no recording"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Store.Path = filepath.Join(t.TempDir(), "unmask.db")
			tt.change(&cfg)
			require.NoError(t, cfg.Validate())
			log, err := telemetry.NewLogger(&buffer{}, cfg.Log.Level, cfg.Log.Format)
			require.NoError(t, err)
			_, err = app.New(t.Context(), cfg, log)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Two runs on one endpoint share what it has room for.
func TestRunsShareTheLimitOfAnEndpoint(t *testing.T) {
	e := startEndpoint(t)
	var now, most atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		req, err := http.NewRequestWithContext(context.Background(), r.Method, e.url+r.URL.Path, r.Body)
		if err != nil {
			return
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = writeTo(w, resp)
	}))
	t.Cleanup(func() { front.Close(); http.DefaultClient.CloseIdleConnections() })
	s := start(t, func(c *config.Config) {
		for _, name := range []string{"a", "b"} {
			c.Models = append(c.Models, config.Model{Name: name, BaseURL: front.URL, ModelID: "sim/refuser?delay_ms=5", Limits: config.Limits{MaxConcurrency: 3}})
		}
	})
	first, second := s.launch("rubric", "a", 3), s.launch("rubric", "b", 4)
	for _, r := range []*unmaskv1.Run{first, second} {
		require.Equal(t, unmaskv1.RunState_RUN_STATE_SUCCEEDED, s.follow(r).GetState())
	}
	require.EqualValues(t, 3, most.Load())
}
