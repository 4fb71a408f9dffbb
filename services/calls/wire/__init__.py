"""The calls service's wire: the refusals. What switches say and are told, their adapters know (shared/domain/switching)."""
