"""Sample articles written for this project; `searchidx demo` indexes them."""
