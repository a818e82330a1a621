package modeltest

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/transcript"
)

// marker stands in bodies of the fuzz corpus where text of a server is.
const marker = "planted-reply-marker"

// FuzzCodec feeds any bytes to a codec, as a whole reply and as a stream: it
// returns a reply that keeps its promises, or a typed error whose text is ours.
func FuzzCodec(f *testing.F, codec wire.Codec, cases ...[]Case) {
	for _, list := range cases {
		for _, c := range list {
			f.Add([]byte(c.Body))
		}
	}
	f.Add([]byte("{\"content\":\"" + marker + "\xff\",\"error\":{\"code\":429,\"type\":\"" + marker + "\"}}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) (model.Reply, error){codec.Decode, codec.DecodeStream} {
			before := bytes.Clone(body)
			got, err := decode(body)
			if !bytes.Equal(before, body) {
				t.Fatal("the body was changed")
			}
			checkReply(t, got, err)
		}
	})
}

func checkReply(t *testing.T, got model.Reply, err error) {
	t.Helper()
	if err != nil {
		var failure *model.Error
		if !errors.As(err, &failure) || failure.Class == "" || failure.Message == "" {
			t.Fatalf("an error of another kind: %v", err)
		}
		if bytes.Contains([]byte(failure.Message), []byte(marker)) {
			t.Fatal("an error with the server's text")
		}
		if got != (model.Reply{}) {
			t.Fatal("a reply with an error")
		}
		return
	}
	if !utf8.ValidString(got.Raw) || !utf8.ValidString(got.NativeReasoning) || len(got.ModelID) > wire.MaxModelID {
		t.Fatal("text that cannot be kept")
	}
	if (got.NativeReasoning != "") != (got.NativeKind == transcript.NativeFull || got.NativeKind == transcript.NativeSummary) {
		t.Fatalf("reasoning %q of the kind %q", got.NativeReasoning, got.NativeKind)
	}
	if min(got.Usage.InputTokens, got.Usage.OutputTokens, got.Usage.ReasoningTokens) < 0 {
		t.Fatal("a negative count")
	}
	if got.FinishReason == "" {
		t.Fatal("no finish reason")
	}
}

// CutAnywhere ends a stream after each of its bytes: what comes out is a failure
// or the whole reply, and never a part of it.
func CutAnywhere(t *testing.T, codec wire.Codec, cases []Case) {
	t.Helper()
	for _, c := range cases {
		if c.State == Failed {
			continue
		}
		for n := range len(c.Body) {
			got, err := codec.DecodeStream([]byte(c.Body[:n]))
			if err == nil && (got.Raw != c.Want.Raw || got.NativeReasoning != c.Want.NativeReasoning || got.NativeKind != c.Want.NativeKind || got.FinishReason != c.Want.FinishReason) {
				t.Fatalf("%s %s: cut after %d bytes, a part counts as whole: %+v", c.State, c.Name, n, got)
			}
			checkReply(t, got, err)
		}
	}
}
