package crash

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/testkit"
	"github.com/unmask-eval/unmask/internal/testkit/postgres"
)

// counted is a model that counts the calls that it gets.
type counted struct {
	takes time.Duration

	mu                sync.Mutex
	inFlight, highest int
	begun             []time.Time
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.inFlight++
	c.highest = max(c.highest, c.inFlight)
	c.begun = append(c.begun, time.Now())
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body) // a client that goes is noticed after it
	select {
	case <-time.After(c.takes):
	case <-r.Context().Done():
	}
	c.mu.Lock()
	c.inFlight--
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"I can't help with that."},"finish_reason":"stop"}]}`)
}

func (c *counted) now() (inFlight, highest, calls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight, c.highest, len(c.begun)
}

// shared starts workers, and a run that wants more than the limits of its model allow.
func shared(t *testing.T, model *counted, workers int, limits string) (unmaskv1.EvaluationServiceClient, []*testkit.Server) {
	t.Helper()
	server := httptest.NewServer(model)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	settings := "--config=" + filepath.Join(dir, "unmask.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unmask.yaml"),
		fmt.Appendf(nil, "models:\n- {name: counted, model_id: m, base_url: '%s/v1', %s}\n", server.URL, limits), 0o600))
	database := "--database.url=" + postgres.Database(t)
	require.Contains(t, testkit.Run(t, time.Minute, "migrate", database), "schema version")
	unused := filepath.Join(dir, "unmask.db")
	client := connect(t, testkit.Serve(t, unused, settings, database, "--role=api"))
	var all []*testkit.Server
	for range workers {
		all = append(all, testkit.Serve(t, unused, settings, database, "--role=worker"))
	}
	e, err := client.CreateEvaluation(t.Context(), &unmaskv1.CreateEvaluationRequest{
		EvaluationId: "e",
		Evaluation: &unmaskv1.Evaluation{Plan: &unmaskv1.Plan{
			Scenarios: []string{"scenarios/helpful-only"}, SamplesPerQuery: 50, MaxQueries: 40, Seed: proto.Uint64(7),
		}},
	})
	require.NoError(t, err)
	_, err = client.CreateRun(t.Context(), &unmaskv1.CreateRunRequest{Parent: e.GetName(), RunId: "r", Run: &unmaskv1.Run{Model: "models/counted", Concurrency: 32}})
	require.NoError(t, err)
	return client, all
}

func metric(t *testing.T, s *testkit.Server, name string) string {
	t.Helper()
	for line := range strings.Lines(get(t, "http://"+s.Ops+"/metrics")) {
		if rest, ok := strings.CutPrefix(line, name+`{model="counted"} `); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// Two workers call one model within its bound; one is killed, and the other has the
// whole bound when what that held has expired.
func TestWorkersShareTheBoundOnCallsInFlight(t *testing.T) {
	const bound = 3
	model := &counted{takes: 50 * time.Millisecond}
	_, workers := shared(t, model, 2, fmt.Sprintf("max_concurrency: %d", bound))
	require.Eventually(t, func() bool {
		return metric(t, workers[0], "unmask_model_concurrency_share") != "0" && metric(t, workers[1], "unmask_model_concurrency_share") != "0" &&
			metric(t, workers[0], "unmask_model_processes") == "2"
	}, time.Minute, 20*time.Millisecond, "both have a share")
	_, _, before := model.now()
	require.Eventually(t, func() bool { _, _, n := model.now(); return n > before+100 }, time.Minute, 20*time.Millisecond)

	workers[0].Kill(t)
	killed := time.Now()
	require.Eventually(t, func() bool {
		return metric(t, workers[1], "unmask_model_concurrency_share") == fmt.Sprint(bound)
	}, 2*limit.Lease, 20*time.Millisecond)
	t.Logf("the whole share %s after the kill", time.Since(killed).Round(10*time.Millisecond))
	_, _, before = model.now()
	require.Eventually(t, func() bool { n, _, all := model.now(); return n == bound && all > before+20 }, time.Minute, time.Millisecond)
	_, highest, calls := model.now()
	require.Equal(t, bound, highest, "in %d calls", calls)
}

// One place for three workers goes round, and is never in two hands.
func TestOnePlaceGoesRoundAmongWorkers(t *testing.T) {
	model := &counted{takes: 20 * time.Millisecond}
	_, workers := shared(t, model, 3, "max_concurrency: 1")
	had := map[int]bool{}
	require.Eventually(t, func() bool {
		for i, w := range workers {
			if metric(t, w, "unmask_model_concurrency_share") == "1" {
				had[i] = true
			}
		}
		return len(had) == len(workers)
	}, time.Minute, 20*time.Millisecond, "only some had the place")
	_, highest, calls := model.now()
	require.Equal(t, 1, highest, "in %d calls", calls)
	// What one gives back at its end is used at once.
	for _, w := range workers[:2] {
		w.Stop(t)
	}
	_, _, before := model.now()
	stopped := time.Now()
	require.Eventually(t, func() bool { _, _, n := model.now(); return n > before+10 }, time.Minute, time.Millisecond)
	t.Logf("ten calls by the last worker %s after the others had ended", time.Since(stopped).Round(10*time.Millisecond))
	_, highest, _ = model.now()
	require.Equal(t, 1, highest)
}

func TestWorkersShareTheRate(t *testing.T) {
	const perMinute = 240
	model := &counted{}
	_, workers := shared(t, model, 2, fmt.Sprintf("requests_per_minute: %d", perMinute))
	require.Eventually(t, func() bool {
		_, _, n := model.now()
		return n >= perMinute/12+40 && metric(t, workers[0], "unmask_model_processes") == "2" && metric(t, workers[1], "unmask_model_processes") == "2"
	}, time.Minute, 20*time.Millisecond)
	model.mu.Lock()
	defer model.mu.Unlock()
	const late = 1.5 // seconds from the permit to the model, at the most
	for i, from := range model.begun {
		for j := i; j < len(model.begun); j++ {
			seconds := model.begun[j].Sub(from).Seconds() + late
			require.LessOrEqual(t, float64(j-i+1), perMinute/12+perMinute/60*seconds, "calls within %.1f s", seconds-late)
		}
	}
}
