// Package secret plants a credential, has a server echo it wherever a server can,
// and looks for it in everything that the program leaves behind.
package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Clean()
	os.Exit(code)
}

const (
	planted = "sk-planted-9f8e7d6c5b4a-credential"
	envName = "PLANTED_KEY"
)

// echo writes the credential into headers and bodies of every kind of reply.
type echo struct{ calls, authorized atomic.Int64 }

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	auth := r.Header.Get("Authorization")
	if auth == "Bearer "+planted {
		e.authorized.Add(1)
	}
	key := strings.TrimPrefix(auth, "Bearer ")
	for _, name := range []string{"X-Request-Id", "Www-Authenticate", "Set-Cookie", "X-Echo"} {
		w.Header().Set(name, auth)
	}
	body := fmt.Sprintf(`{"error":{"message":"%[1]s","code":"%[2]s","type":"%[2]s"},"code":"%[2]s","detail":"%[1]s"}`, auth, key)
	w.Header().Set("Content-Type", "application/json")
	// The path says how to answer, so that each model has its own fate.
	kind := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")[0]
	switch kind {
	case "ok":
		content, _ := json.Marshal("<SCRATCHPAD_REASONING>\nMy key is " + key + ".\n</SCRATCHPAD_REASONING>\n<OUTPUT>\nI cannot help, " + auth + ".\n</OUTPUT>")
		body = fmt.Sprintf(`{"model":"%[1]s","choices":[{"message":{"role":"assistant","content":%[2]s,"reasoning_content":"%[1]s"},"finish_reason":"%[1]s"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, key, content)
		_, _ = io.WriteString(w, body)
	case "broken":
		_, _ = io.WriteString(w, `{"choices": "`+auth)
	case "type":
		w.Header().Set("Content-Type", "application/"+key)
		_, _ = io.WriteString(w, body)
	case "error200":
		_, _ = io.WriteString(w, `{"error":{"message":"`+auth+`","code":"`+key+`"}}`)
	case "redirect":
		w.Header().Set("Location", "http://127.0.0.1:1/?key="+url.QueryEscape(key))
		w.WriteHeader(http.StatusFound)
	case "drop":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, auth+"\r\n\r\n")
			_ = conn.Close()
		}
	case "forms", "forms-page", "forms-cut", "forms-null":
		e.writeForms(w, r, kind, key)
	default:
		var status int
		_, _ = fmt.Sscan(kind, &status)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	e.calls.Add(1)
}

// writeForms repeats the credential in the body of a failure in every way in which a
// server, or what stands before it, may.
func (*echo) writeForms(w http.ResponseWriter, r *http.Request, kind, key string) {
	var dump strings.Builder
	_ = r.Header.Write(&dump)
	inJSON, _ := json.Marshal(map[string]any{"request": map[string]any{"headers": r.Header}})
	again, _ := json.Marshal(string(inJSON))
	percent, escaped, entities, spaced := "", "", "", ""
	for _, c := range []byte(key) {
		percent += fmt.Sprintf("%%%02x", c)
		escaped += fmt.Sprintf(`\u%04x`, c)
		entities += fmt.Sprintf("&#%d;", c)
		spaced += string(c) + " \n"
	}
	body := strings.Join([]string{
		"echo begins", key, dump.String(), string(inJSON), string(again), "curl -H 'authorization: bearer " + key + "'",
		strings.ToUpper(key), url.QueryEscape("Bearer " + key), percent, url.QueryEscape(percent), escaped, entities, spaced,
		base64.StdEncoding.EncodeToString([]byte(key)), base64.URLEncoding.EncodeToString([]byte("Bearer " + key)),
		base64.StdEncoding.EncodeToString([]byte("x:" + key)), hex.EncodeToString([]byte(key)), key[:12] + "****" + key[20:], "echo ends", key[:9],
	}, "\n")
	switch kind {
	case "forms-page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, body)
	case "forms-cut":
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, body) // net/http closes a connection that owes bytes
	case "forms-null":
		_, _ = io.WriteString(w, "null\n"+body)
	default:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, body)
	}
}

var kinds = []string{"forms", "forms-page", "forms-cut", "forms-null", "ok", "broken", "type", "error200", "redirect", "drop", "400", "401", "403", "404", "422", "429", "500", "503", "529"}

// forms are the shapes in which the credential could stand somewhere.
var forms = []string{
	planted, strings.ToUpper(planted), strings.ToLower(planted), url.QueryEscape("Bearer " + planted),
	base64.StdEncoding.EncodeToString([]byte(planted)), base64.StdEncoding.EncodeToString([]byte("Bearer " + planted)),
	hex.EncodeToString([]byte(planted)), base64.RawStdEncoding.EncodeToString([]byte("x:" + planted))[3:],
	url.QueryEscape(planted[:6]) + "%", `\u0073\u006b\u002d`, "%73%6b%2d", "&#115;&#107;&#45;", "s \nk", `s \nk`,
	planted[:len(planted)-4], planted[:9], planted[11:20], // also not in part
}

func requireClean(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range forms {
		if at := strings.Index(text, form); at >= 0 {
			require.Failf(t, "the credential is in "+where, "%.300s", text[max(0, at-150):])
		}
	}
}

func TestNoCredentialLeavesTheProcess(t *testing.T) {
	e := &echo{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Setenv(envName, planted)
	t.Setenv("GOTRACEBACK", "all")
	t.Setenv("no_proxy", "127.0.0.1")
	dir := t.TempDir()
	keyFile := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(keyFile, []byte(planted+"\n"), 0o600))

	var settings strings.Builder
	settings.WriteString("log: {level: debug}\nruns: {record: " + filepath.Join(dir, "record.jsonl") + "}\ngraders:\n- {id: judge, kind: judge, model: m-500, votes: 1}\nmodels:\n")
	for i, kind := range kinds {
		credential := "api_key_env: " + envName
		if i%2 == 1 {
			credential = "api_key_file: " + keyFile
		}
		fmt.Fprintf(&settings, "- {name: m-%s, base_url: '%s/%s/v1', model_id: m, max_attempts: 1, max_wait: 1s, timeout: 20s, %s}\n", kind, server.URL, kind, credential)
	}
	config := filepath.Join(dir, "unmask.yaml")
	require.NoError(t, os.WriteFile(config, []byte(settings.String()), 0o600))
	s := testkit.Serve(t, filepath.Join(dir, "unmask.db"), "--config="+config)

	call := func(method, url, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		requireClean(t, method+" "+url, string(text)+fmt.Sprint(resp.Header))
		return string(text)
	}
	api := "http://" + s.HTTP + "/v1/"
	require.Contains(t, call("GET", api+"models?pageSize=1000", ""), `"apiKeyEnv":"`+envName+`"`)
	call("POST", api+"evaluations?evaluationId=e", `{"plan":{"scenarios":["scenarios/helpful-only"],"samplesPerQuery":1,"maxQueries":1,"seed":"1"}}`)
	call("POST", api+"evaluations?evaluationId=j", `{"plan":{"scenarios":["scenarios/helpful-only"],"samplesPerQuery":1,"maxQueries":1,"seed":"1","grader":"graders/judge"}}`)
	for _, kind := range kinds {
		before := e.calls.Load()
		call("GET", api+"models/m-"+kind, "")
		probe := call("POST", api+"models/m-"+kind+":probe", `{}`)
		require.Contains(t, probe, `"model":"models/m-`+kind+`"`)
		if strings.HasPrefix(kind, "forms") {
			require.Contains(t, probe, "echo ends")
		}
		run := "evaluations/e/runs/" + "m" + kind
		call("POST", api+"evaluations/e/runs?runId=m"+kind, `{"model":"models/m-`+kind+`","concurrency":64}`)
		call("GET", api+run+":watch", "")
		require.Greater(t, e.calls.Load(), before+1, "the model was called for the probe and for the run")
		call("GET", api+run+"?view=RUN_VIEW_FULL", "")
		transcripts := call("GET", api+run+"/transcripts?view=TRANSCRIPT_VIEW_FULL&pageSize=1000", "")
		if strings.HasPrefix(kind, "forms") {
			require.Contains(t, transcripts, "echo begins", "what the server sent is kept")
			require.Contains(t, transcripts, "echo ends")
			basic := call("GET", api+run+"/transcripts?pageSize=1000", "")
			require.Contains(t, basic, `"httpStatus"`)
			require.NotContains(t, basic, "echo begins")
		}
		if kind == "ok" {
			require.Contains(t, transcripts, "My key is [redacted].", "the echo reached the transcripts, without the credential")
		}
	}
	// A grader whose model fails tells its errors, too.
	call("POST", api+"evaluations/j/runs?runId=r", `{"model":"models/m-ok","concurrency":64}`)
	call("GET", api+"evaluations/j/runs/r:watch", "")
	call("POST", api+"transcripts:grade", `{"grader":"graders/judge","subject":{"id":"x","reply":{"raw":"I cannot."},"prompt":"x"}}`)
	call("GET", "http://"+s.Ops+"/metrics", "")
	require.EqualValues(t, e.calls.Load(), e.authorized.Load(), "every call brought the credential")

	log := s.Abort(t)
	require.Contains(t, log, "SIGQUIT", "a dump of the process is in the log")
	require.Contains(t, log, "run ended")
	require.NotContains(t, log, "echo begins", "what servers send is in no log")
	requireClean(t, "the log", log)
	// The store, its journal and the recording.
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		requireClean(t, path, string(text))
		return nil
	}))
	require.GreaterOrEqual(t, files, 3)
	recording, err := os.ReadFile(filepath.Join(dir, "record.jsonl"))
	require.NoError(t, err)
	require.Contains(t, string(recording), `"error":{"class":"RATE_LIMITED"`)
	require.Contains(t, string(recording), "My key is [redacted].")
	http.DefaultClient.CloseIdleConnections()
}

// The command line tells errors as the server does.
func TestNoCredentialIsPrinted(t *testing.T) {
	server := httptest.NewServer(&echo{})
	t.Cleanup(server.Close)
	t.Setenv(envName, planted)
	for _, kind := range []string{"ok", "400", "401", "forms", "forms-page"} {
		for _, command := range [][]string{
			{"models", "probe"},
			{"run", "--queries", "1", "--samples", "1", "--seed", "1", "--concurrency", "64", "--store", filepath.Join(t.TempDir(), "s.db"), "--record", filepath.Join(t.TempDir(), "r.jsonl")},
		} {
			out := testkit.Run(t, time.Minute, append(command, "--base-url", server.URL+"/"+kind+"/v1", "--model-id", "m", "--api-key-env", envName)...)
			require.NotEmpty(t, out)
			requireClean(t, strings.Join(command, " "), out)
		}
	}
}
