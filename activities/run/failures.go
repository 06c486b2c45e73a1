package run

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/internal/apierr"
)

// ToTemporal turns a failure of a service into a Temporal failure; nothing else does.
// Histories keep the message, and messages of apierr hold no values of records.
func ToTemporal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // a cancelled call is not a network failure
	}
	fail, ok := errors.AsType[*apierr.Error](err)
	if app, ours := errors.AsType[*temporal.ApplicationError](err); ours && !ok && error(app) != err {
		// What we found ourselves stays final, whatever was put around it.
		return temporal.NewApplicationErrorWithOptions(err.Error(), app.Type(), temporal.ApplicationErrorOptions{NonRetryable: app.NonRetryable()})
	}
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

// Blocked is a failure that only an operator can mend, found by our own code. Temporal
// does not try again.
func Blocked(reason, message string) error {
	return temporal.NewApplicationErrorWithOptions(message, reason, temporal.ApplicationErrorOptions{NonRetryable: true})
}

// AtStart is a failure of the check that a start makes. It tells a refused credential at
// once, because whoever starts a flow is there to read it; a flow that runs gives a
// refusal minutes to pass. A flow that has failed makes the check again by itself.
func AtStart(err error) error {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.NonRetryable() || app.Type() != apierr.ReasonCredentials {
		return err
	}
	return Blocked(app.Type(), app.Message())
}
