"""Addresses of the console's pages."""

from django.urls import reverse


def list_page(name):
    return reverse(f"admin:{name}_changelist")


def detail_page(row):
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])


def page(name, *args):
    return reverse(f"admin:console_{name}", args=args)
