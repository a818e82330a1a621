package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/transcript"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// modelFunc is a function as a model.
type modelFunc func(context.Context, model.Request) (model.Reply, error)

func (f modelFunc) Generate(ctx context.Context, req model.Request) (model.Reply, error) {
	return f(ctx, req)
}

func ask(text string, seed int64, sample string) model.Request {
	return model.Request{Messages: []model.Message{{Role: "user", Content: text}}, Seed: seed, SampleID: sample}
}

// numbered answers with the number of the call.
func numbered() model.Model {
	var mu sync.Mutex
	n := 0
	return modelFunc(func(_ context.Context, req model.Request) (model.Reply, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return model.Reply{Raw: fmt.Sprintf("%s: %d", req.SampleID, n), Attempts: 1}, nil
	})
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func load(t *testing.T, path string) *Replay {
	t.Helper()
	r, err := Load(path, "")
	require.NoError(t, err)
	return r
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "run.jsonl") }

// Whatever is asked and answered comes back the same to the last byte.
func TestReplayGivesBackWhatWasRecorded(t *testing.T) {
	dir := t.TempDir()
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		path := filepath.Join(dir, fmt.Sprint(number))
		f, err := Open(path)
		require.NoError(t, err)
		anything := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		requests := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.Request {
			req := model.Request{
				Messages: []model.Message{{Role: "system", Content: anything.Draw(t, "system")}, {Role: "user", Content: anything.Draw(t, "user")}},
				Seed:     rapid.Int64().Draw(t, "seed"), SampleID: rapid.StringMatching(`[a-z0-9]{0,5}`).Draw(t, "sample"),
				Sampling: model.Sampling{MaxTokens: rapid.IntRange(0, 100).Draw(t, "max")},
			}
			if rapid.Bool().Draw(t, "heated") {
				temperature := rapid.Float64Range(0, 2).Draw(t, "temperature")
				req.Sampling.Temperature = &temperature
			}
			if rapid.Bool().Draw(t, "formed") {
				req.ResponseSchema = &model.Schema{Name: "verdict", JSON: []byte("{ \"type\": \"object\",\n\"x\": \"<a>&\" }")}
			}
			return req
		}), 1, 10).Draw(t, "requests")
		type outcome struct {
			reply model.Reply
			err   error
		}
		var outcomes []outcome
		recorded := f.Model(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
			if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
				return model.Reply{}, &model.Error{
					Class: model.ClassRateLimited, Status: 429, Message: "the server refuses for the rate", Attempts: 3,
					RetryAfter: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "after")), Final: rapid.Bool().Draw(t, "final"),
					Body:           model.NewFailureBody(anything.Draw(t, "body"), rapid.Bool().Draw(t, "truncated")),
					EarlierClasses: []model.ErrorClass{model.ClassTimeout},
				}
			}
			return model.Reply{
				Raw: anything.Draw(t, "raw"), NativeReasoning: anything.Draw(t, "reasoning"), NativeKind: transcript.NativeFull,
				FinishReason: transcript.FinishStop, Usage: model.Usage{InputTokens: 1, OutputTokens: rapid.Int64().Draw(t, "tokens")},
				ModelID: anything.Draw(t, "id"), Latency: time.Duration(rapid.Int64().Draw(t, "latency")), Attempts: 2,
			}, nil
		}), "m", "identity")
		for _, req := range requests {
			reply, err := recorded.Generate(context.Background(), req)
			outcomes = append(outcomes, outcome{reply, err})
		}
		require.NoError(t, f.Close())
		replay, err := Load(path, "m")
		require.NoError(t, err)
		require.Equal(t, len(requests), replay.Exchanges())
		for i, req := range requests {
			reply, err := replay.Generate(context.Background(), req)
			require.Equal(t, outcomes[i], outcome{reply, err})
		}
	})
}

// A field that is added to a request or a reply must be recorded too, or replays
// would take different requests for equal ones.
func TestEveryFieldIsRecorded(t *testing.T) {
	for _, tt := range []struct {
		of   any
		want string
	}{
		{model.Request{}, "Messages Sampling Seed SampleID ResponseSchema"},
		{model.Message{}, "Role Content"},
		{model.Schema{}, "Name JSON"},
		{model.Reply{}, "Raw NativeReasoning NativeKind FinishReason Usage ModelID Latency Attempts"},
		{model.Error{}, "Class Status Message Attempts RetryAfter Final Body EarlierClasses Err"},
	} {
		var fields []string
		for i := range reflect.TypeOf(tt.of).NumField() {
			fields = append(fields, reflect.TypeOf(tt.of).Field(i).Name)
		}
		require.Equal(t, tt.want, strings.Join(fields, " "), "%T: extend the line of the recording, and this list", tt.of)
	}
}

func TestEqualRequestsAreAnsweredInTurn(t *testing.T) {
	path := newPath(t)
	recorded := open(t, path).Model(numbered(), "m", "")
	for _, sample := range []string{"a", "b", "a", "c"} {
		_, err := recorded.Generate(t.Context(), ask("hello", 1, sample))
		require.NoError(t, err)
	}
	for _, tt := range []struct {
		name    string
		samples []string
		want    []string
	}{
		{"in the same order", []string{"a", "b", "a", "c"}, []string{"a: 1", "b: 2", "a: 3", "c: 4"}},
		{"each sample gets its own, in any order", []string{"c", "a", "b", "a"}, []string{"c: 4", "a: 1", "b: 2", "a: 3"}},
		{"other samples get what is left", []string{"b", "x", "y"}, []string{"b: 2", "a: 1", "a: 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			replay := load(t, path)
			var got []string
			for _, sample := range tt.samples {
				reply, err := replay.Generate(t.Context(), ask("hello", 1, sample))
				require.NoError(t, err)
				got = append(got, reply.Raw)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestNothingIsInvented(t *testing.T) {
	path := newPath(t)
	temperature := 0.5
	req := ask("hello", 1, "a")
	req.Sampling.Temperature = &temperature
	_, err := open(t, path).Model(numbered(), "m", "").Generate(t.Context(), req)
	require.NoError(t, err)
	for _, tt := range []struct {
		name   string
		change func(*model.Request)
		want   string
	}{
		{"other messages", func(r *model.Request) { r.Messages[0].Content = "secret-marker" }, "has no exchange"},
		{"another role", func(r *model.Request) { r.Messages[0].Role = "system" }, "has no exchange"},
		{"another seed", func(r *model.Request) { r.Seed = 2 }, "has no exchange"},
		{"another sampling", func(r *model.Request) { r.Sampling.Temperature = nil }, "has no exchange"},
		{"a form", func(r *model.Request) { r.ResponseSchema = &model.Schema{Name: "n", JSON: []byte(`{}`)} }, "has no exchange"},
		{"a form that is none", func(r *model.Request) { r.ResponseSchema = &model.Schema{Name: "n", JSON: []byte(`{`)} }, "cannot be looked up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := req
			other.Messages = []model.Message{req.Messages[0]}
			tt.change(&other)
			_, err := load(t, path).Generate(t.Context(), other)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret-marker")
		})
	}
	t.Run("once more than recorded", func(t *testing.T) {
		replay := load(t, path)
		_, err := replay.Generate(t.Context(), req)
		require.NoError(t, err)
		_, err = replay.Generate(t.Context(), req)
		require.ErrorContains(t, err, "has this exchange 1 time(s)")
		var failure *model.Error
		require.ErrorAs(t, err, &failure)
		require.True(t, failure.Permanent())
	})
	t.Run("after the caller's end", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := load(t, path).Generate(ctx, req)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestWhatItsCallerGaveUpIsNotRecorded(t *testing.T) {
	path := newPath(t)
	_, err := open(t, path).Model(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
		return model.Reply{}, fmt.Errorf("model call: %w", context.Canceled)
	}), "m", "").Generate(t.Context(), ask("hello", 1, ""))
	require.ErrorIs(t, err, context.Canceled)
	_, err = Load(path, "")
	require.ErrorContains(t, err, "there is no exchange")
}

func TestModelsOfOneRecordingAreToldApart(t *testing.T) {
	path := newPath(t)
	f := open(t, path)
	for _, name := range []string{"target", "judge"} {
		_, err := f.Model(modelFunc(func(context.Context, model.Request) (model.Reply, error) {
			return model.Reply{Raw: name}, nil
		}), name, name).Generate(t.Context(), ask("hello", 1, ""))
		require.NoError(t, err)
	}
	judge, err := Load(path, "judge")
	require.NoError(t, err)
	reply, err := judge.Generate(t.Context(), ask("hello", 1, ""))
	require.NoError(t, err)
	require.Equal(t, "judge", reply.Raw)
	require.NotEqual(t, load(t, path).Digest(), judge.Digest())
	_, err = Load(path, "nobody")
	require.ErrorContains(t, err, `no exchange with a model "nobody"; there are those with judge, target`)
}

func TestManyCallersWriteWholeLines(t *testing.T) {
	path := newPath(t)
	recorded := open(t, path).Model(numbered(), "m", "")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 20 {
				req := ask(strings.Repeat("long ", 2000), int64(i*100+k), "s")
				if _, err := recorded.Generate(context.Background(), req); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 320, load(t, path).Exchanges())
}

// A process may end within a write. Wherever the file ends, what stands before
// the cut is read, and a recording that goes on from there is whole.
func TestACutLineIsLeftOut(t *testing.T) {
	path := newPath(t)
	f := open(t, path)
	recorded := f.Model(numbered(), "m", "")
	for i := range int64(3) {
		_, err := recorded.Generate(t.Context(), ask("hello", i, "s"))
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	first := bytes.IndexByte(whole, '\n') + 1
	for end := first; end <= len(whole); end++ {
		// All ends near those of lines, and some between.
		if near := whole[max(0, end-4):min(len(whole), end+4)]; end%29 != 0 && !bytes.Contains(near, []byte{'\n'}) {
			continue
		}
		cut := newPath(t)
		require.NoError(t, os.WriteFile(cut, whole[:end], 0o600))
		lines := bytes.Count(whole[:end], []byte{'\n'})
		replay := load(t, cut)
		if end == len(whole)-1 { // only the line's end is missing
			require.Equal(t, 3, replay.Exchanges())
			continue
		}
		if nextEnd := bytes.IndexByte(whole[end:], '\n'); nextEnd == 0 {
			require.Equal(t, lines+1, replay.Exchanges())
		} else {
			require.Equal(t, lines, replay.Exchanges())
			require.Equal(t, whole[end-1] != '\n', replay.Truncated())
		}
		again := open(t, cut)
		_, err := again.Model(numbered(), "m", "").Generate(t.Context(), ask("again", 9, "s"))
		require.NoError(t, err)
		require.NoError(t, again.Close())
		require.Equal(t, lines+1, load(t, cut).Exchanges())
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	good := `{"version":1,"model":"m","model_digest":"","time":"2026-01-01T00:00:00Z","request":{"messages":[{"role":"user","content":"x"}],"sampling":{},"seed":1},"reply":{"raw":"y","usage":{"input_tokens":0,"output_tokens":0,"reasoning_tokens":0},"latency_ns":0,"attempts":1}}` + "\n"
	asked, _, _ := strings.Cut(good, `,"reply"`)
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "no exchange"},
		{"another file", "secret-marker\n", "line 1: is not JSON"},
		{"a broken line within", good + good[:50] + "\n" + good, "line 2: is not JSON"},
		{"a blank line", good + "\n" + good, "line 2: is not JSON"},
		{"an unknown field", strings.Replace(good, `"seed"`, `"secret":1,"seed"`, 1), "line 1"},
		{"two values", strings.TrimSuffix(good, "\n") + good, "line 1: more than one"},
		{"another version", strings.Replace(good, `"version":1`, `"version":2`, 1), "line 1: version: must be 1, got 2"},
		{"neither reply nor error", asked + "}\n", "line 1: must have either reply or error"},
		{"no messages", strings.Replace(good, `{"role":"user","content":"x"}`, "", 1), "line 1: request.messages: must not be empty"},
		{"a number for a text", strings.Replace(good, `"content":"x"`, `"content":7`, 1), "line 1: a text must be"},
		{"bad base64", strings.Replace(good, `"content":"x"`, `"content":{"base64":"*"}`, 1), "line 1: base64"},
		{"an error without a class", asked + `,"error":{"message":"","attempts":1,"class":""}}` + "\n", "line 1: error.class"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			_, err := Load(path, "")
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "secret-marker")
		})
	}
	t.Run("a file of another kind is not written on", func(t *testing.T) {
		for _, text := range []string{"my notes", "my notes\nof today\n", "{}\n"} {
			path := newPath(t)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := Open(path)
			require.ErrorContains(t, err, "no recording")
			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, text, string(left))
		}
		_, err := Open(t.TempDir())
		require.Error(t, err)
	})
	t.Run("no file", func(t *testing.T) {
		_, err := Load("/nowhere/run.jsonl", "")
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
}

func TestARecordingThatCannotBeWrittenEndsTheRun(t *testing.T) {
	f := open(t, newPath(t))
	recorded := f.Model(numbered(), "m", "")
	require.NoError(t, f.f.Close()) // the file goes away under the recorder
	for range 2 {
		_, err := recorded.Generate(t.Context(), ask("hello", 1, ""))
		var failure *model.Error
		require.ErrorAs(t, err, &failure)
		require.True(t, failure.Permanent())
		require.Contains(t, failure.Message, "the recording cannot be written")
	}
}

func TestRecordingsAreTheUsersAlone(t *testing.T) {
	path := newPath(t)
	open(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

type picky struct{ model.Model }

var errPicky = errors.New("temperature: not taken")

func (picky) Check(model.Request) error { return errPicky }

func TestWhatAModelCannotBeAskedIsStillTold(t *testing.T) {
	f := open(t, newPath(t))
	require.ErrorIs(t, f.Model(picky{}, "m", "").Check(model.Request{}), errPicky)
	require.NoError(t, f.Model(numbered(), "m", "").Check(model.Request{}))
}

// FuzzRead: no file breaks the reader, and what it reads means the same when it is
// written again.
func FuzzRead(f *testing.F) {
	line, err := encodeLine(exchange{name: "m", request: ask("hello \xff", 1, "s"), reply: model.Reply{Raw: "y\x00<a>", Latency: 5}})
	require.NoError(f, err)
	failed, err := encodeLine(exchange{name: "j", request: ask("hello", 1, "s"), failure: &model.Error{Class: model.ClassTimeout}})
	require.NoError(f, err)
	f.Add(line)
	f.Add(append(append([]byte{}, line...), failed...))
	f.Add(line[:len(line)/2])
	f.Add([]byte(`{"version":1,"request":{"messages":[{}],"response_schema":{"schema":null}},"error":{"class":"X"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		replay, err := read(bytes.NewReader(data), "")
		if err != nil {
			return
		}
		require.Positive(t, replay.Exchanges())
		err = eachLine(bytes.NewReader(data), func(line []byte, _ bool) error {
			x, err := decodeLine(line)
			if err != nil {
				return nil //nolint:nilerr // the cut last line
			}
			again, err := encodeLine(x)
			require.NoError(t, err)
			y, err := decodeLine(bytes.TrimSuffix(again, []byte{'\n'}))
			require.NoError(t, err)
			before, err := digestOf(x.request)
			require.NoError(t, err)
			after, err := digestOf(y.request)
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Equal(t, x.reply, y.reply)
			require.Equal(t, x.failure, y.failure)
			return nil
		})
		require.NoError(t, err)
	})
}
