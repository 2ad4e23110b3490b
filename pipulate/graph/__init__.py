"""The link graph: columnar form, measures, layouts, report, viewer."""
