package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model/simserver"
)

func TestModelsAreListedAndProbed(t *testing.T) {
	server, err := simserver.New(simserver.Options{})
	require.NoError(t, err)
	endpoint := httptest.NewServer(server)
	t.Cleanup(func() { server.Stop(); endpoint.Close() })
	t.Setenv("MODEL_KEY", "sk-planted-credential")
	settings := file(t, "unmask.yaml", "models:\n- {name: local, base_url: '"+endpoint.URL+"', model_id: 'sim/refuser?delay_ms=10', api_key_env: MODEL_KEY, requests_per_minute: 600, input_price: 1.5}\n"+
		"- {name: gone, base_url: 'http://127.0.0.1:1', model_id: m, max_attempts: 1}\n")

	o := unmask(t, "", "models", "list", "--config", settings)
	require.Equal(t, exitOK, o.code, o.err)
	require.Regexp(t, `local +openai +sim/refuser\?delay_ms=10 at http://127.0.0.1:\d+ +env MODEL_KEY +1024 at once, 600 calls/min +1.5 in, \? out`, o.out)
	require.Regexp(t, `sim/judge +sim +grades`, o.out)
	o = unmask(t, "", "models", "list", "--config", settings, "--output", "json")
	require.Equal(t, exitOK, o.code, o.err)
	var list struct {
		Models []struct{ Name, Endpoint string }
	}
	require.NoError(t, json.Unmarshal([]byte(o.out), &list))
	require.Equal(t, "models/gone", list.Models[0].Name)

	o = unmask(t, "", "models", "probe", "local", "--config", settings)
	require.Equal(t, exitOK, o.code, o.err)
	require.Regexp(t, `(?s)reachable +yes, in \d+ms and 1 attempt.*served model +sim/refuser.*tags honoured +yes.*speed +[\d.]+ tokens/s`, o.out)
	o = unmask(t, "", "models", "probe", "--base-url", endpoint.URL, "--model-id", "sim/refuser?channel=redacted", "--output", "json")
	require.Equal(t, exitOK, o.code, o.err)
	require.Contains(t, o.out, `"observation": "OBSERVATION_REDACTED"`)
	o = unmask(t, "", "models", "probe", "gone", "--config", settings)
	require.Equal(t, exitFailed, o.code, o.err)
	require.Regexp(t, `(?s)reachable +no.*error +UNAVAILABLE: the connection was refused`, o.out)
	require.NotContains(t, o.out, "The server sent")
	require.Empty(t, o.err)
}

func TestAProbeShowsWhatTheServerSentWithAFailure(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "no such adapter\n\x1b[2J\xff for "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(endpoint.Close)
	t.Setenv("MODEL_KEY", "sk-planted-credential")
	o := unmask(t, "", "models", "probe", "--base-url", endpoint.URL, "--model-id", "m", "--api-key-env", "MODEL_KEY")
	require.Equal(t, exitFailed, o.code, o.err)
	require.Contains(t, o.out, "error      BAD_REQUEST (HTTP 400): the server refuses the request")
	require.Contains(t, o.out, "The server sent (credentials taken out):\n    no such adapter\n    \\x1b[2J\\xff for Bearer [redacted]\n")
	o = unmask(t, "", "models", "probe", "--base-url", endpoint.URL, "--model-id", "m", "--api-key-env", "MODEL_KEY", "--output", "json")
	require.Equal(t, exitFailed, o.code, o.err)
	require.Contains(t, o.out, `"body": "no such adapter\n\u001b[2J� for Bearer [redacted]"`)
}

func TestARecordingReplaysOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	recording := filepath.Join(dir, "my run.jsonl")
	run := func(args ...string) (results json.RawMessage, model string) {
		o := unmask(t, "", append([]string{
			"run", "--queries", "2", "--samples", "1", "--seed", "5", "--store", filepath.Join(dir, "unmask.db"), "--output", "json",
		}, args...)...)
		require.Equal(t, exitOK, o.code, o.err)
		var got struct {
			Run struct {
				Model   string
				Results json.RawMessage
			}
		}
		require.NoError(t, json.Unmarshal([]byte(o.out), &got))
		return got.Run.Results, got.Run.Model
	}
	want, _ := run("--model", "sim/flaky", "--record", recording)
	got, model := run("--model", "replay:"+recording)
	require.Equal(t, string(want), string(got))
	require.Regexp(t, `^models/replay-my-run\.jsonl-[0-9a-f]{8}$`, model)
	// A replay can be recorded, and says the same again.
	again := filepath.Join(dir, "again.jsonl")
	run("--model", "replay:"+recording, "--record", again)
	got, _ = run("--model", "replay:"+again)
	require.Equal(t, string(want), string(got))

	// What was cut is left out, and said where it matters.
	text, err := os.ReadFile(recording)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(recording, text[:len(text)-20], 0o600))
	o := unmask(t, "", "run", "--queries", "2", "--samples", "1", "--seed", "5", "--store", filepath.Join(dir, "unmask.db"), "--model", "replay:"+recording)
	require.Equal(t, exitFailed, o.code, o.err)
	require.Contains(t, o.out, "the recording my run.jsonl has no exchange with these messages, sampling and seed")
}
