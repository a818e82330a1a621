package statsdoc

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCursor reads arbitrary arrays with the cursor and with encoding/json,
// which must agree.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[ [1, -2.5e3,"a"] , ["b\"c\u0041\\",null ,true,false], [[],{}],{"k":["]"]},1e999,"\ud800" ]`,
		"[\"\xff\",\"\\u00e9\"]", `["\\"]`, `[0]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want []json.RawMessage
		if json.Unmarshal(raw, &want) != nil || want == nil {
			t.Skip("only valid arrays reach the cursor")
		}
		in := cursor{data: raw}
		require.True(t, in.open())
		for _, w := range want {
			require.True(t, in.more())
			v, ok := in.value()
			requireSame(t, w, v, ok)
		}
		require.False(t, in.more())
		require.Zero(t, in.next(), "the array is left")
	})
}

func requireSame(t *testing.T, want json.RawMessage, v scalar, ok bool) {
	t.Helper()
	var decoded any
	if err := json.Unmarshal(want, &decoded); err != nil {
		require.False(t, ok && v.kind == number, "a number beyond float64 is refused")
		return
	}
	switch w := decoded.(type) {
	case nil:
		require.Equal(t, null, v.kind)
	case bool:
		require.Equal(t, boolean, v.kind)
		require.Equal(t, w, v.number == 1)
	case float64:
		require.True(t, ok)
		require.Equal(t, number, v.kind)
		require.Equal(t, w, v.number)
	case string:
		require.Equal(t, text, v.kind)
		require.Equal(t, w, string(v.text))
	default:
		require.Equal(t, compound, v.kind)
	}
}
