package access

import "reflect"

// Sign puts who asks in the place of every name in an input: a text called By. It returns
// another input of the same type.
func Sign(input any, by func(was string) string) any {
	if input == nil {
		return nil
	}
	v := reflect.New(reflect.TypeOf(input)).Elem()
	v.Set(reflect.ValueOf(input))
	sign(v, by)
	return v.Interface()
}

func sign(v reflect.Value, by func(string) string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			switch {
			case !field.CanSet():
			case v.Type().Field(i).Name == "By" && field.Kind() == reflect.String:
				field.SetString(by(field.String()))
			case field.Kind() == reflect.Struct, field.Kind() == reflect.Slice:
				sign(field, by)
			}
		}
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		for i := range own.Len() {
			sign(own.Index(i), by)
		}
		v.Set(own)
	}
}
