package appender

// As finds the outermost appender in a's chain that is a T, as [errors.As] does
// for errors: T is an optional interface, such as [Capturer], or a concrete
// type. A wrapper shows what it wraps by a method Unwrap() Appender.
func As[T any](a Appender) (t T, ok bool) {
	for a != nil {
		if t, ok := a.(T); ok {
			return t, true
		}
		w, ok := a.(interface{ Unwrap() Appender })
		if !ok {
			break
		}
		a = w.Unwrap()
	}
	return t, false
}
