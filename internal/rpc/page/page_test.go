package page_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"pgregory.net/rapid"

	unmaskv1 "github.com/unmask-eval/unmask/gen/go/unmask/v1"
	"github.com/unmask-eval/unmask/internal/rpc/page"
	"github.com/unmask-eval/unmask/internal/run"
)

func TestTokenLeadsOnFromTheCursor(t *testing.T) {
	req := &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", PageSize: 10}
	p, err := page.Read("default", req)
	require.NoError(t, err)
	require.Equal(t, run.Page{Size: 10}, p)

	req.PageToken, req.PageSize = page.Token("default", req, "cursor"), 20
	p, err = page.Read("default", req)
	require.NoError(t, err, "another page size does not make it another request")
	require.Equal(t, run.Page{Size: 20, After: "cursor"}, p)

	require.Empty(t, page.Token("default", req, ""), "the last page has no token")
}

func TestSizes(t *testing.T) {
	for asked, want := range map[int32]int{0: page.DefaultSize, 1: 1, page.MaxSize: page.MaxSize, page.MaxSize + 1: page.MaxSize} {
		p, err := page.Read("default", &unmaskv1.ListGatesRequest{PageSize: asked})
		require.NoError(t, err)
		require.Equal(t, want, p.Size)
	}
}

func TestTokenOfAnotherRequestIsRefused(t *testing.T) {
	base := func() *unmaskv1.ListTranscriptsRequest {
		return &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r", Filter: `query = "q"`}
	}
	token := page.Token("p1", base(), "c")
	for _, tt := range []struct {
		name, project string
		change        func(*unmaskv1.ListTranscriptsRequest)
	}{
		{"another parent", "p1", func(r *unmaskv1.ListTranscriptsRequest) { r.Parent = "evaluations/e/runs/r2" }},
		{"another filter", "p1", func(r *unmaskv1.ListTranscriptsRequest) { r.Filter = "" }},
		{"another view", "p1", func(r *unmaskv1.ListTranscriptsRequest) { r.View = unmaskv1.TranscriptView_TRANSCRIPT_VIEW_FULL }},
		{"another project", "p2", func(*unmaskv1.ListTranscriptsRequest) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := base()
			req.PageToken = token
			tt.change(req)
			requireTokenError(t, tt.project, req, "belongs to another request")
		})
	}
	t.Run("another method", func(t *testing.T) {
		requireTokenError(t, "p1", &unmaskv1.ListGatesRequest{PageToken: page.Token("p1", &unmaskv1.ListGradersRequest{}, "c")}, "belongs to another request")
	})
	for name, broken := range map[string]string{
		"prose": "page two", "cut": token[:8], "only a binding": token[:17], "other version": "B" + token[1:],
		"padding": token + "=", "bits that are not used": "AQEBAQEBAQEBAQEBAQFj_",
	} {
		t.Run(name, func(t *testing.T) {
			req := base()
			req.PageToken = broken
			requireTokenError(t, "p1", req, "is not a token that this server made")
		})
	}
}

func requireTokenError(t *testing.T, project string, req page.Request, want string) {
	t.Helper()
	_, err := page.Read(project, req)
	var invalid *run.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Violations, 1)
	require.Equal(t, "page_token", invalid.Violations[0].Field)
	require.Contains(t, invalid.Violations[0].Description, want)
}

// Every list request of the API can be bound: bind panics on a kind of field it
// does not know.
func TestEveryListRequestCanBeBound(t *testing.T) {
	lists := 0
	protoregistry.GlobalTypes.RangeMessages(func(mt protoreflect.MessageType) bool {
		req, ok := mt.New().Interface().(page.Request)
		if !ok || mt.Descriptor().ParentFile().Package() != "unmask.v1" {
			return true
		}
		lists++
		fields := mt.Descriptor().Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			require.NotPanics(t, func() {
				m := proto.Clone(req).(page.Request)
				m.ProtoReflect().Set(fd, example(t, fd))
				page.Token("p", m, "c")
			}, fd.FullName())
		}
		return true
	})
	require.GreaterOrEqual(t, lists, 7)
}

func example(t *testing.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1)
	default:
		require.Failf(t, "unknown kind", "%s is a %s: teach package page about it", fd.FullName(), fd.Kind())
		return protoreflect.Value{}
	}
}

func TestPagesOfAListTileIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "items")
		items := make([]string, n)
		for i := range items {
			items[i] = strconv.Itoa(1000 + i)
		}
		p := run.Page{Size: rapid.IntRange(1, 12).Draw(t, "size")}
		var got []string
		for {
			part, next := page.Slice(items, p, func(s string) string { return s })
			require.LessOrEqual(t, len(part), p.Size)
			got = append(got, part...)
			if next == "" {
				break
			}
			p.After = next
		}
		require.Equal(t, items, append([]string{}, got...))
	})
}

// Whatever a token holds, reading it ends in a page or in an error on
// page_token, and a token that is read was made for exactly this request.
func FuzzRead(f *testing.F) {
	req := &unmaskv1.ListTranscriptsRequest{Parent: "evaluations/e/runs/r"}
	f.Add(page.Token("default", req, "cursor"))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, token string) {
		asked := proto.Clone(req).(*unmaskv1.ListTranscriptsRequest)
		asked.PageToken = token
		p, err := page.Read("default", asked)
		if err != nil {
			var invalid *run.InvalidError
			require.ErrorAs(t, err, &invalid)
			return
		}
		require.Equal(t, token, page.Token("default", req, p.After))
	})
}
