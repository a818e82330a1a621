package credential_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model/credential"
)

const planted = "sk-planted-0123456789"

func TestSecretNeverRenders(t *testing.T) {
	s := credential.New(planted)
	holder := struct{ Key credential.Secret }{s}
	hidden := struct{ key credential.Secret }{s} // fmt cannot call methods here
	encoded, err := json.Marshal(holder)
	require.NoError(t, err)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "key", s, "holder", holder, "pointer", &s)
	for name, got := range map[string]string{
		"String":   s.String(),
		"GoString": s.GoString(),
		"verbs":    fmt.Sprintf("%v %+v %#v %s %q %x %d %T", s, s, s, s, s, s, s, s),
		"nested":   fmt.Sprintf("%v %+v %#v", holder, holder, &holder),
		"hidden":   fmt.Sprintf("%v %+v %#v %+v", hidden, hidden, hidden, &hidden),
		"JSON":     string(encoded),
		"slog":     logged.String(),
	} {
		require.NotContains(t, got, "planted", name)
		require.NotContains(t, got, fmt.Sprintf("%x", planted), name)
	}
	require.Equal(t, planted, s.Reveal())
	require.False(t, s.IsZero())
	require.True(t, credential.New("").IsZero())
	require.Empty(t, credential.Secret{}.Reveal())
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	t.Setenv("UNMASK_TEST_KEY", " "+planted+"\n")
	t.Setenv("UNMASK_TEST_EMPTY", "  ")
	for _, tt := range []struct {
		name    string
		ref     credential.Ref
		want    string
		wantErr string
	}{
		{"nothing is needed", credential.Ref{}, "", ""},
		{"environment", credential.Ref{Env: "UNMASK_TEST_KEY"}, planted, ""},
		{"file", credential.Ref{File: file("key", planted+"\n")}, planted, ""},
		{"both", credential.Ref{Env: "A", File: "b"}, "", "both"},
		{"variable is not set", credential.Ref{Env: "UNMASK_TEST_ABSENT"}, "", "UNMASK_TEST_ABSENT is not set"},
		{"variable is blank", credential.Ref{Env: "UNMASK_TEST_EMPTY"}, "", "UNMASK_TEST_EMPTY is empty"},
		{"file is not there", credential.Ref{File: filepath.Join(dir, "absent")}, "", "absent"},
		{"file is a directory", credential.Ref{File: dir}, "", "directory"},
		{"file is empty", credential.Ref{File: file("empty", "\n")}, "", "is empty"},
		{"file is too large", credential.Ref{File: file("large", strings.Repeat("planted", 4000))}, "", "larger than"},
		{"key holds a line break", credential.Ref{File: file("two", "planted\r\nplanted")}, "", "cannot be sent"},
		{"key is not ASCII", credential.Ref{File: file("utf8", "plantedé")}, "", "cannot be sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.ref.Resolve()
			if tt.wantErr != "" {
				require.ErrorContains(t, err, tt.wantErr)
				require.NotContains(t, err.Error(), "planted")
				require.True(t, got.IsZero())
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Reveal())
		})
	}
}
