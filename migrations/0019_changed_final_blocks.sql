-- Final blocks that have changed, for the operators' pages. Additive: older programs do not look at it,
-- and take their rows down without it.

alter table final_blocks
    add column changed_to text,
    add column changed_at timestamptz,
    add constraint final_blocks_changed check ((changed_to is null) = (changed_at is null));
comment on column final_blocks.changed_to is
    'The hash that a provider last gave for this block in place of ours; null: ours still holds.';
comment on column final_blocks.changed_at is 'When that was first seen.';
