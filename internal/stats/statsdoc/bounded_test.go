package statsdoc

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/stats"
)

func TestInputsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int64
		fits  bool
	}{
		{"shorter than the limit", 100, true},
		{"as long as the limit", 5, true},
		{"a byte too long", 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := strings.NewReader("12345")
			got, err := io.ReadAll(&bounded{r: source, left: tt.limit})
			if tt.fits {
				require.NoError(t, err)
				require.Equal(t, "12345", string(got))
				return
			}
			var input *stats.InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, "document", input.Field)
		})
	}
	_, err := readDocument(&bounded{r: strings.NewReader(`{"type":"power"}`), left: 3})
	require.ErrorContains(t, err, "must not exceed")
	_, _, err = readCSV(&bounded{r: strings.NewReader("prompt_id,condition,label\n"), left: 3})
	require.ErrorContains(t, err, "must not exceed")
}
