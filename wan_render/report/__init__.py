"""What people look at in the morning: the review page, the contact sheet, the shot list."""
