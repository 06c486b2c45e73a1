package run

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/internal/apierr"
)

// ToTemporal is the only place a failure becomes a Temporal failure. What it
// passes on is stored in histories: apierr messages carry no record values.
func ToTemporal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // a cancelled call is not a network failure
	}
	fail, ok := errors.AsType[*apierr.Error](err)
	if !ok {
		return err // bugs and storage failures keep their own type
	}
	options := temporal.ApplicationErrorOptions{
		NonRetryable:   fail.Class == apierr.Blocked || fail.Class == apierr.Rejected,
		NextRetryDelay: fail.RetryAfter, // zero, so the retry policy decides, unless throttled
	}
	if fail.Class == apierr.Throttled {
		options.Category = temporal.ApplicationErrorCategoryBenign
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), fail.Reason, options)
}

// Blocked is a failure of our own that only an operator can mend.
func Blocked(reason, message string) error {
	return temporal.NewApplicationErrorWithOptions(message, reason, temporal.ApplicationErrorOptions{NonRetryable: true})
}
