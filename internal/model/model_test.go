package model_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/unmask-eval/unmask/internal/model"
)

func TestErrorSaysWhatHappened(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		name string
		err  *model.Error
		want string
	}{
		{
			"with a status", &model.Error{Class: model.ClassRateLimited, Status: 429, Attempts: 5, Message: "busy", Err: cause},
			"RATE_LIMITED (HTTP 429, 5 attempts): busy",
		},
		{
			"without one", &model.Error{Class: model.ClassTimeout, Attempts: 1, Message: "no first byte within 1s", Err: cause},
			"TIMEOUT (1 attempts): no first byte within 1s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.EqualError(t, tt.err, tt.want)
			require.ErrorIs(t, fmt.Errorf("sample: %w", tt.err), cause)
			require.NotErrorIs(t, tt.err, context.Canceled)
		})
	}
}

func TestOnlyWhatNoSampleCanPassIsPermanent(t *testing.T) {
	permanent := map[model.ErrorClass]bool{model.ClassAuth: true, model.ClassNotFound: true}
	for _, class := range []model.ErrorClass{
		model.ClassTimeout, model.ClassRateLimited, model.ClassUnavailable, model.ClassBadRequest,
		model.ClassAuth, model.ClassNotFound, model.ClassBadReply,
	} {
		require.Equal(t, permanent[class], (&model.Error{Class: class}).Permanent(), class)
	}
}
